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

	if s.Reasons != nil {
		t.Errorf("of a source without the enum: %+v", s.Reasons)
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

// The table of reasons holds for every built kernel: names, order, levels and texts.
// What came in a point release may be missing.
func TestReasonsOfRealKernels(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	every := func(Kernel) []string { return tables.Bases() }
	eachBuilt(t, every, func(t *testing.T, built Built) {
		s, err := built.Sites()
		if err != nil {
			t.Fatal(err)
		}
		if s.Reasons == nil {
			t.Error("the source of the kernel does not say which reasons it has")
		}
		for _, why := range contradictions(s.Reasons) {
			t.Error(why)
		}
	})
}

// cameLater are the reasons that not every kernel of the table's bases has.
var cameLater = []lockdown.Reason{"xen_user_actions"} // 6.1.170, 6.12.85, 7.0

// contradictions lists what the lab's table claims and a kernel has otherwise.
func contradictions(has lockdown.KernelReasons) []string {
	list := has.Contradictions()
	for _, r := range has.Unknown() {
		list = append(list, fmt.Sprintf("the lab does not know the reason %s", r.Reason))
	}
	for _, r := range has.Lacking() {
		if !slices.Contains(cameLater, r) {
			list = append(list, fmt.Sprintf("the kernel has no reason %s", r))
		}
	}
	var order []lockdown.Reason
	for _, r := range lockdown.Reasons() {
		if has.Has(r.Reason) {
			order = append(order, r.Reason)
		}
	}
	for i, r := range has {
		if i >= len(order) || r.Reason != order[i] {
			return append(list, fmt.Sprintf("reason %d is %s, and the lab has another order", i+1, r.Reason))
		}
	}
	return list
}

func TestContradictions(t *testing.T) {
	all := lockdown.Reasons()
	if got := contradictions(all); len(got) > 0 {
		t.Errorf("the table contradicts itself: %q", got)
	}
	for name, change := range map[string]func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo{
		"text":  func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo { k[3].Label = "x"; return k },
		"level": func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo { k[3].Level = lockdown.Confidentiality; return k },
		"order": func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo { k[3], k[4] = k[4], k[3]; return k },
		"new one": func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo {
			return append(k, lockdown.ReasonInfo{Reason: "new"})
		},
		"lacking": func(k []lockdown.ReasonInfo) []lockdown.ReasonInfo { return k[1:] },
	} {
		if got := contradictions(change(lockdown.Reasons())); len(got) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// The builder keeps the reasons of the patched source.
func TestReasonsOfBuild(t *testing.T) {
	files := map[string]string{}
	for name, text := range fakeTree {
		files[name] = text
	}
	files["include/linux/security.h"] = "enum lockdown_reason {\n\tLOCKDOWN_NONE,\n\tLOCKDOWN_MSR,\n\tLOCKDOWN_INTEGRITY_MAX,\n\tLOCKDOWN_CONFIDENTIALITY_MAX,\n};\n"
	files["security/security.c"] = "const char *const lockdown_reasons[LOCKDOWN_CONFIDENTIALITY_MAX + 1] = {\n\t[LOCKDOWN_MSR] = \"raw MSR access\",\n};\n"
	b := newBench(t, "dir:"+tree(t, files))
	spec := b.spec("plain")
	spec.Series = users(t, "--- a/include/linux/security.h\n+++ b/include/linux/security.h\n@@ -3,3 +3,4 @@\n \tLOCKDOWN_MSR,\n+\tLOCKDOWN_NEW,\n \tLOCKDOWN_INTEGRITY_MAX,\n \tLOCKDOWN_CONFIDENTIALITY_MAX,\n")
	built, _ := b.build(spec)
	s, err := built.Sites()
	want := lockdown.KernelReasons{{Reason: "msr", Level: lockdown.Integrity, Label: "raw MSR access"}, {Reason: "new", Level: lockdown.Integrity}}
	if err != nil || !slices.Equal(s.Reasons, want) {
		t.Errorf("%+v, %v", s.Reasons, err)
	}
}

// eachBuilt runs a test for each kernel of the table, on each of the bases, that is
// in the cache. A kernel without the lab's series does not record where its calls
// are.
func eachBuilt(t *testing.T, bases func(Kernel) []string, check func(*testing.T, Built)) {
	if testing.Short() {
		t.Skip("it reads the machine code of every kernel in the cache, which takes minutes with the race detector")
	}
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
	present := map[line][]lockdown.Site{} // of one call, the compiler may make several
	names := map[string]bool{}
	for _, s := range sites.Present {
		if s.File == suiteFile && s.Reason == "" {
			continue // its reason is a variable, which the source's list of calls leaves out
		}
		if s.Tail || s.File == "" || s.Reason == "" || names[s.Name] {
			t.Errorf("%+v: a jump, without a source, or not the only one of its name", s)
		}
		names[s.Name] = true
		present[line{s.Where(), s.Line}] = append(present[line{s.Where(), s.Line}], s)
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
			t.Errorf("%s is there as %s, though %s", s.Where(), found[0].Name, why)
		case !ok && why == "":
			t.Errorf("%s, line %d, is not there, and sites.toml has no reason", s.Where(), s.Line)
		case slices.ContainsFunc(found, func(f lockdown.Site) bool { return f.Reason != s.Reason }):
			t.Errorf("%s checks %s in the source and another reason in the machine code: %+v", s.Where(), s.Reason, found)
		}
		delete(present, line{s.Where(), s.Line})
	}
	for _, s := range present {
		t.Errorf("%+v is nowhere in the source", s)
	}
	t.Logf("%d call sites of %d calls in the source", len(sites.Present), len(sites.Source))
	for where := range table.Needs {
		if !inSource[where] && table.Some[where] == "" {
			t.Errorf("sites.toml has %s, and the source has not", where)
		}
	}
}
