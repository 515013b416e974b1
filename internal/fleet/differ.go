package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// differing names the kernels of the file that are others here, and what of them
// differs.
func (f *File) differing(p *plan.Plan) string {
	var list []string
	for i, k := range f.Kernels {
		if i >= len(p.Builds) {
			break
		}
		if parts := differingParts(k.Identity, p.Builds[i].Identity); len(parts) > 0 {
			list = append(list, fmt.Sprintf("%s %s (%s)", k.Kernel, k.Arch, strings.Join(parts, ", ")))
		}
	}
	return strings.TrimSpace("the kernels " + strings.Join(list, ", "))
}

// differingParts names the parts of an identity that differ. A digest that only one of
// the two has does not: a source is identified when it is in the cache.
func differingParts(then, now kernels.Identity) (parts []string) {
	if then.Source != now.Source || !same(then.SHA256, now.SHA256) {
		parts = append(parts, now.Source)
	}
	if then.Config != now.Config {
		parts = append(parts, "configuration")
	}
	if then.Modules != now.Modules {
		parts = append(parts, "modules")
	}
	if then.Sites != now.Sites {
		parts = append(parts, "call sites")
	}
	if !slices.EqualFunc(then.Series, now.Series, func(a, b kernels.SeriesID) bool {
		return a.Name == b.Name && same(a.SHA256, b.SHA256) && same(a.All, b.All)
	}) {
		parts = append(parts, "series")
	}
	return parts
}

// same reports whether two digests are equal, as far as both are known: a source of
// the table has none until it is fetched.
func same(a, b string) bool { return a == b || a == "" || b == "" }
