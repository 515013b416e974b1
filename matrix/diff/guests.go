package diff

import (
	"slices"

	"github.com/ldlab/ldlab/matrix"
)

// A GuestChange is a guest that ended in another way than before, or whose kernel
// reported another bug of its own, whatever its cells are.
type GuestChange struct {
	Setting     string
	Before, Now string   // how it ended; see ended
	Splats      []string `json:",omitempty"` // that its kernel did not report before
	Worse       bool     // it ended well before and does not now, or its kernel reports another bug
}

// notRun is the end of a guest without a result.
const notRun = "not run"

// ended is how a guest ended, in a few words without what differs from run to run.
func ended(c matrix.Column) string {
	switch {
	case c.Tries == 0:
		return notRun
	case c.End.Well():
		return string(matrix.Ended)
	case c.End.Cause != "":
		return string(c.End.Ending) + ": " + c.End.Cause
	}
	return string(c.End.Ending)
}

// compareGuests compares the guests that both tables have.
func compareGuests(b, n matrix.Table) (list []GuestChange) {
	for _, now := range n.Columns {
		i := slices.IndexFunc(b.Columns, func(c matrix.Column) bool { return c.Setting.String() == now.Setting.String() })
		if i < 0 {
			continue
		}
		before := b.Columns[i]
		g := GuestChange{Setting: now.Setting.String(), Before: ended(before), Now: ended(now)}
		for _, s := range now.Splats {
			if !slices.ContainsFunc(before.Splats, func(o string) bool { return matrix.SameSplat(o, s) }) {
				g.Splats = append(g.Splats, s)
			}
		}
		if g.Before != g.Now || len(g.Splats) > 0 {
			g.Worse = g.Before == string(matrix.Ended) && g.Now != g.Before || len(g.Splats) > 0
			list = append(list, g)
		}
	}
	return list
}
