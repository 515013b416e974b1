package plan

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Order returns probes in the order in which a guest runs them: as they are, or
// in the order that follows from the guest's seed. Probes that alter the lock
// stay last and in their order, because no later probe would meet the setting.
//
// A probe's place follows from a digest of its own name, the seed and the guest.
// The order is therefore the same on every machine and with every Go, each guest
// has another one, and a selection of probes keeps the order of the whole: an
// interference that one order shows can be narrowed down with --probe.
func Order(g matrix.Guest, probes []string) []string {
	if g.Shuffle == 0 {
		return probes
	}
	place := func(id string) []byte {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s", g.ID(), id))
		return sum[:]
	}
	var free, last []string
	for _, id := range probes {
		if row, ok := scenarios.Find(id); ok && row.AltersLock {
			last = append(last, id)
		} else {
			free = append(free, id)
		}
	}
	slices.SortFunc(free, func(a, b string) int { return bytes.Compare(place(a), place(b)) })
	return append(free, last...)
}
