package scenarios

import (
	"regexp"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// TestRows is the property test of the table of probes.
func TestRows(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(-[a-z0-9]+)*$`)
	site := regexp.MustCompile(`^[a-z0-9_/-]+\.c(:[a-z0-9_]+)?$`)
	config := regexp.MustCompile(`^CONFIG_[A-Z0-9_]+(=n)?$`)
	changes := false
	for _, r := range Rows() {
		if !name.MatchString(r.ID) {
			t.Errorf("%s: not a name of a probe", r.ID)
		}
		if found, ok := Find(r.ID); !ok || found.Call != r.Call {
			t.Errorf("%s: Find does not find it", r.ID)
		}
		if !site.MatchString(r.Site) {
			t.Errorf("%s: site %q names no file and function of the kernel", r.ID, r.Site)
		}
		if _, ok := lockdown.Info(r.Reason); !ok && r.Expect != ABI {
			t.Errorf("%s: %s probe of unknown reason %q", r.ID, r.Expect, r.Reason)
		}
		for _, n := range r.Needs {
			if !config.MatchString(n) {
				t.Errorf("%s: needs %q, which is no CONFIG symbol", r.ID, n)
			}
		}
		if changes && !r.AltersLock {
			t.Errorf("%s comes after a probe that changes what is locked", r.ID)
		}
		changes = r.AltersLock
	}
}

// TestEveryGateHasANegativeControl wants an unchecked probe beside the checked ones of
// each scenario: a kernel that denies everything must not look enforced.
func TestEveryGateHasANegativeControl(t *testing.T) {
	for _, s := range All() {
		has := func(e Expectation) bool {
			return slices.ContainsFunc(s.Probes, func(p Probe) bool { return p.Expect == e })
		}
		if has(Checked) && !has(Unchecked) {
			t.Errorf("%s has checked probes and no unchecked one", s.Name)
		}
	}
}
