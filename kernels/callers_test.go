package kernels

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/build"
	"github.com/ldlab/ldlab/kernels/patchset"
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
		if _, ok := table.Some[k.Unless]; k.Unless != "" && !ok {
			t.Errorf("%s, %s: all sources have %s", k.Site, k.Name, k.Unless)
		}
		if (len(k.By) > 0 && k.Why != "") != (k.ByNeeds != nil || k.ByIn != "") {
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
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	every := func(Kernel) []string { return tables.Bases() }
	eachBuilt(t, every, func(t *testing.T, built Built) {
		if v := built.Provenance.BaseVersion; !callersFor(v) {
			t.Skipf("callers.toml is not for Linux %s", v)
		}
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
		// The KUnit suite calls what it tests: that is no way in from user space.
		found = slices.DeleteFunc(found, func(c lockdown.Caller) bool { return strings.HasPrefix(c.Site, suiteFile+":") })
		for _, d := range differences(found, known) {
			t.Error(d)
		}
		t.Logf("%d callers of %d call sites", len(found), len(sites.Present))
	})
}

// callersFor tells whether the table has every caller of a version of the source.
func callersFor(version string) bool {
	return slices.ContainsFunc([]string{"6.1.", "6.12.", "7.2.", "7.3."}, func(p string) bool { return strings.HasPrefix(version, p) })
}

// suiteFile is the source of lockdown's KUnit suite. It calls what it tests, with a
// variable for the reason in places.
const suiteFile = "security/lockdown/lockdown_test.c"

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

// A caller that is not for the kernel's version, or whose call its source does not
// have, is not expected.
func TestCallersByVersion(t *testing.T) {
	all, err := knownCallers()
	if err != nil {
		t.Fatal(err)
	}
	k := all[0]
	count := func(b Built) (n int) {
		list, err := KnownCallers(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range list {
			if l.Site == k.Site {
				n++
			}
		}
		return n
	}
	a := arch.Get("x86_64")
	whole := count(Built{Arch: a})
	file := filepath.Join(t.TempDir(), "sites.json")
	write(t, file, `{"Source": [{"File": "a.c", "Function": "f", "Line": 1}]}`)
	if n := count(Built{Arch: a, Files: map[string]string{"sites.json": file}}); whole == 0 || n != 0 {
		t.Errorf("%d callers of %s, and %d if the source does not have it", whole, k.Site, n)
	}
	if k.versions, err = patchset.ParseVersions(">= 6.18"); err != nil {
		t.Fatal(err)
	}
	old := all[0]
	all[0] = k
	defer func() { all[0] = old }()
	for version, want := range map[string]int{"6.12.117": whole - 1, "6.18.12": whole, "": whole} {
		if n := count(Built{Arch: a, Provenance: build.Provenance{BaseVersion: version}}); n != want {
			t.Errorf("%q: %d, want %d", version, n, want)
		}
	}
}
