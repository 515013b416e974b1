package kernels

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// The table is whole: what exercises a caller, or why nothing does, and every site
// of it is one of sites.toml.
func TestCallersTable(t *testing.T) {
	all, err := knownCallers()
	if err != nil {
		t.Fatal(err)
	}
	table, err := siteNeeds()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, k := range all {
		listed[k.Site] = true
		if _, ok := table.Needs[k.Site]; !ok {
			t.Errorf("%s is not in sites.toml", k.Site)
		}
		if (len(k.By) > 0 && k.Why != "") != (k.ByNeeds != nil) {
			t.Errorf("%s, %s: by and why stand together with by_needs only", k.Site, k.Name)
		}
		if k.Held < 0 || k.Held == 1 || slices.Contains(k.By, "") {
			t.Errorf("%s, %s: %+v", k.Site, k.Name, k)
		}
	}
	if len(all) < 100 {
		t.Errorf("%d callers only", len(all))
	}
}

// The table holds for every built kernel: exactly the expected callers are in the
// machine code.
func TestCallersForReal(t *testing.T) {
	own := func(k Kernel) []string { return []string{k.Base} } // the table is for 6.12.117
	eachBuilt(t, own, func(t *testing.T, built Built) {
		sites, err := built.Sites()
		if err != nil {
			t.Fatal(err)
		}
		if len(sites.Present) == 0 {
			t.Skip("the kernel does not count its checks, so its call sites have no names")
		}
		found, err := built.Callers()
		if err != nil {
			t.Fatal(err)
		}
		known, err := KnownCallers(built)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range differences(found, known) {
			t.Error(d)
		}
		t.Logf("%d callers of %d call sites", len(found), len(sites.Present))
	})
}

// differences lists what a kernel's callers and those of the table do not have in
// common.
func differences(found []lockdown.Caller, known []KnownCaller) (list []string) {
	for _, c := range found {
		if !slices.ContainsFunc(known, func(k KnownCaller) bool { return k.Caller == c }) {
			list = append(list, c.Site+" has the caller "+c.Name+", which callers.toml does not have, or not as often")
		}
	}
	for _, k := range known {
		if !slices.Contains(found, k.Caller) {
			list = append(list, k.Site+" lacks the caller "+k.Name+", which callers.toml has, or it is there more or less often")
		}
	}
	return list
}
