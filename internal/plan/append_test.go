package plan_test

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// Kernel arguments belong to the identity of every guest of the plan, the control
// included.
func TestAppend(t *testing.T) {
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	for _, args := range []string{"", "lsm=yama", "lsm=lockdown"} {
		p, err := plan.New(tables, plan.Selection{Kernels: []string{"stock"}, Append: args}, kernels.Resolved{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		digests[p.Digest()] = true
		for _, g := range p.Guests {
			if g.Append != args || strings.Contains(g.ID(), "append") != (args != "") {
				t.Errorf("%q: guest %s with %q", args, g.ID(), g.Append)
			}
		}
	}
	if len(digests) != 3 {
		t.Errorf("%d digests of 3 plans", len(digests))
	}
	for _, bad := range []string{"a\nb", "a\x1b[2J", strings.Repeat("a", 2000)} {
		if err := (plan.Selection{Append: bad}).Check(); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
