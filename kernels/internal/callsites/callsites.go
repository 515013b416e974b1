// Package callsites finds the lockdown checks of a kernel: the calls of
// security_locked_down() in its machine code, named as the kernel itself names
// them, and in its source.
package callsites

import (
	"cmp"
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// callee is the function whose callers are wanted.
const callee = "security_locked_down"

// sortSites puts sites in the order of their names.
func sortSites(sites []lockdown.Site) {
	slices.SortFunc(sites, func(a, b lockdown.Site) int {
		return cmp.Or(cmp.Compare(a.Module, b.Module), cmp.Compare(a.Name, b.Name))
	})
}
