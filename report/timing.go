package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// timing writes how long the phases of guests took: for each kernel, separately
// for guests that booted and guests that were forked, the median length of each
// phase in milliseconds.
func timing(b *strings.Builder, m *matrix.Matrix) error {
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
			fmt.Fprintf(b, "\n%s %s, %s %s, median length of each phase, ms\n", words.Clean(t.Kernel), words.Clean(t.Arch), words.Count(len(lengths[names[0]]), "guest"), how)
			for _, n := range names {
				l := lengths[n]
				slices.Sort(l)
				fmt.Fprintf(b, "  %-22s %6d\n", words.Clean(n), l[len(l)/2])
			}
		}
	}
	return nil
}

// phases lists the phases of guests, in the order of the guest that passed most
// of them, with their lengths.
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
