package kernels

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/lockdown"
)

func TestSitesOfBuild(t *testing.T) {
	files := map[string]string{}
	for name, text := range fakeTree {
		files[name] = text
	}
	call := "int %s(void)\n{\n\treturn security_locked_down(LOCKDOWN_%s);\n}\n"
	files["d.c"] = fmt.Sprintf(call, "kept", "KEXEC")
	b := newBench(t, "dir:"+tree(t, files))
	built, _ := b.build(b.spec("plain"))
	s, err := built.Sites()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Present) != 1 || s.Present[0].Name != "caller+0x4/0x8" {
		t.Errorf("in the machine code: %+v", s.Present)
	}
	if len(s.Source) != 1 || s.Source[0] != (lockdown.SourceSite{File: "d.c", Function: "kept", Line: 3, Reason: "kexec"}) {
		t.Errorf("in the source: %+v", s.Source)
	}

	// What a patch adds and removes is seen, though the source is not read again.
	spec := b.spec("plain")
	spec.Series = users(t, "--- a/d.c\n+++ b/d.c\n@@ -1,4 +1,4 @@\n-int kept(void)\n+int changed(void)\n {\n-\treturn security_locked_down(LOCKDOWN_KEXEC);\n+\treturn security_locked_down(LOCKDOWN_MSR);\n }\n")
	built, _ = b.build(spec)
	if s, err = built.Sites(); err != nil || len(s.Source) != 1 || s.Source[0].Function != "changed" || s.Source[0].Reason != "msr" {
		t.Errorf("in the patched source: %+v, %v", s.Source, err)
	}
	if err := os.WriteFile(built.Files["sites.json"], []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := built.Sites(); err == nil || !strings.Contains(err.Error(), "read call sites of kernel plain") {
		t.Errorf("junk was read: %v", err)
	}
	if s, err := (Built{}).Sites(); err != nil || s.Present != nil {
		t.Errorf("of a ready image: %+v, %v", s, err)
	}
}

// The table holds for every built kernel: exactly the expected calls are in the
// machine code.
func TestSitesOfRealKernels(t *testing.T) {
	table, err := siteNeeds()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	every := func(Kernel) []string { return tables.Bases() }
	eachBuilt(t, every, func(t *testing.T, built Built) { checkSites(t, built, table) })
}

// eachBuilt runs a test for each kernel of the table, on each of the bases, that is
// in the cache. A kernel without the lab's series does not record where its calls
// are.
func eachBuilt(t *testing.T, bases func(Kernel) []string, check func(*testing.T, Built)) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, k := range tables.Kernels() {
		for _, a := range arch.All() {
			if !k.On(a) || !slices.Contains(k.Series, "lab") {
				continue
			}
			for _, base := range bases(k) {
				k, _ := tables.Kernel(k.Name + "@" + base)
				built, ok, err := (&Builder{}).Lookup(t.Context(), Spec{Kernel: k, Arch: a})
				if errors.Is(err, os.ErrNotExist) || err == nil && !ok {
					continue
				}
				if err != nil {
					t.Logf("kernel %s for %s: %v", k.Name, a.Name, err)
					continue
				}
				checked++
				t.Run(k.Name+"/"+a.Name, func(t *testing.T) { check(t, built) })
			}
		}
	}
	if checked == 0 {
		testutil.Require(t, "kernels", errors.New("no kernel is built"))
	}
}

func checkSites(t *testing.T, built Built, table siteTable) {
	sites, err := built.Sites()
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		where string
		line  int
	}
	present := map[line]lockdown.Site{}
	names := map[string]bool{}
	for _, s := range sites.Present {
		if s.Tail || s.File == "" || s.Reason == "" || names[s.Name] {
			t.Errorf("%+v: a jump, without a source, or not the only one of its name", s)
		}
		names[s.Name] = true
		present[line{s.Where(), s.Line}] = s
	}
	inSource := map[string]bool{}
	for _, s := range sites.Source {
		inSource[s.Where()] = true
		if _, ok := table.Needs[s.Where()]; !ok {
			t.Errorf("%s is not in sites.toml", s.Where())
		}
		why := WhyAbsent(s.Where(), built)
		found, ok := present[line{s.Where(), s.Line}]
		switch {
		case ok && why != "":
			t.Errorf("%s is there as %s, though %s", s.Where(), found.Name, why)
		case !ok && why == "":
			t.Errorf("%s, line %d, is not there, and sites.toml has no reason", s.Where(), s.Line)
		case ok && found.Reason != s.Reason:
			t.Errorf("%s checks %s in the source and %s in the machine code", s.Where(), s.Reason, found.Reason)
		}
		delete(present, line{s.Where(), s.Line})
	}
	for _, s := range present {
		t.Errorf("%+v is nowhere in the source", s)
	}
	for where := range table.Needs {
		if !inSource[where] && table.Some[where] == "" {
			t.Errorf("sites.toml has %s, and the source has not", where)
		}
	}
}
