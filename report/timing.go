package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// Timing writes where the time of the guests went: for each kernel, apart for
// guests that booted and guests that were forked, the median length of each
// phase in milliseconds.
func Timing(w io.Writer, m *matrix.Matrix) error {
	b := &strings.Builder{}
	for _, t := range m.Tables {
		for _, forked := range []bool{false, true} {
			how := "booted"
			if forked {
				how = "forked"
			}
			names, lengths := phases(t, forked)
			if len(names) == 0 {
				continue
			}
			fmt.Fprintf(b, "\n%s %s, %d guests %s, ms until for each step, median\n", t.Kernel, t.Arch, len(lengths[names[0]]), how)
			for _, n := range names {
				l := lengths[n]
				slices.Sort(l)
				fmt.Fprintf(b, "  %-22s %6d\n", n, l[len(l)/2])
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// phases lists the phases that guests went through, in the order of the first
// guest that went furthest, and how long each took.
func phases(t matrix.Table, forked bool) (names []string, lengths map[string][]int64) {
	lengths = map[string][]int64{}
	for _, c := range t.Columns {
		if c.Forked != forked {
			continue
		}
		last, own := int64(0), []string{}
		for _, p := range c.Timing {
			lengths[p.Name] = append(lengths[p.Name], p.MS-last)
			last, own = p.MS, append(own, p.Name)
		}
		if len(own) > len(names) {
			names = own
		}
	}
	return names, lengths
}
