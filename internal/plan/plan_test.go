package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

func tables(t testing.TB) *kernels.Tables {
	t.Helper()
	tab, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func mustPlan(t testing.TB, sel Selection) *Plan {
	t.Helper()
	p, err := New(tables(t), sel, kernels.Resolved{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDefaultPlan: the default plan has both architectures, the three levels at
// boot and at run time, each single reason that the probes reach, and a set.
func TestDefaultPlan(t *testing.T) {
	p := mustPlan(t, Selection{})
	have := map[string]bool{}
	for _, g := range p.Guests {
		if have[g.ID()] {
			t.Errorf("%s twice", g.ID())
		}
		have[g.ID()] = true
	}
	for _, arch := range []string{"x86_64", "arm64"} {
		settings := []string{"none", "integrity@boot", "confidentiality@boot", "integrity@runtime", "confidentiality@runtime", "dev_mem,kexec@boot", "dev_mem@coco"}
		for _, r := range Reached(arch, p.Probes) {
			settings = append(settings, string(r)+"@runtime")
		}
		for _, s := range settings {
			if !have["bitmap/"+arch+"/"+s] {
				t.Errorf("no guest for bitmap/%s/%s", arch, s)
			}
		}
	}
	// The variants of each level run in a guest, and those of each delivery.
	var acts []string
	for _, g := range p.Guests {
		if g.ActsOnly {
			acts = append(acts, g.Arch+" "+g.Setting.String())
		}
	}
	if want := []string{"x86_64 confidentiality@boot", "x86_64 integrity@runtime", "arm64 confidentiality@boot", "arm64 integrity@runtime"}; !slices.Equal(acts, want) {
		t.Errorf("guests without variants: %q, want %q", acts, want)
	}
	for _, sel := range []Selection{{AllProbes: true}, {Settings: []string{"integrity@runtime"}}, {Scenarios: []string{"msr"}}} {
		if slices.ContainsFunc(mustPlan(t, sel).Guests, func(g matrix.Guest) bool { return g.ActsOnly }) {
			t.Errorf("%+v: a guest leaves out the variants", sel)
		}
	}
	if have["bitmap/arm64/msr@runtime"] {
		t.Error("msr is locked alone on arm64, where no probe reaches it")
	}
}

func TestPlanAddsTheControl(t *testing.T) {
	p := mustPlan(t, Selection{Arches: []string{"amd64"}, Settings: []string{"integrity", "integrity@boot", "none@runtime"}, Probes: []string{"kexec/load"}})
	var ids []string
	for _, g := range p.Guests {
		ids = append(ids, g.ID())
	}
	if got := strings.Join(ids, " "); got != "bitmap/x86_64/none bitmap/x86_64/integrity@boot" {
		t.Errorf("guests %s: want the control once, first, and the setting once", got)
	}
	if len(p.Probes) != 1 {
		t.Errorf("probes %v, want one", p.Probes)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tc := range []struct {
		sel  Selection
		want string
	}{
		{Selection{Kernels: []string{"bitmp"}}, `did you mean "bitmap"?`},
		{Selection{Arches: []string{"x86"}}, `did you mean "x86_64"?`},
		{Selection{Arches: []string{"riscv64"}}, "there are: x86_64 arm64"},
		{Selection{Settings: []string{"dev_men@boot"}}, `did you mean "dev_mem"?`},
		{Selection{Settings: []string{"integrity@bot"}}, `did you mean "boot"?`},
		{Selection{Scenarios: []string{"kexek"}}, `did you mean "kexec"?`},
		{Selection{Probes: []string{"kexec/lod"}}, `did you mean "kexec/load"?`},
		{Selection{Kernels: []string{"stock"}, Settings: []string{"dev_mem@runtime"}}, "an upstream kernel cannot lock single reasons"},
		{Selection{Kernels: []string{"stock"}, Settings: []string{"dev_mem@coco"}}, "stock"},
		{Selection{Image: "/no/such/image"}, "not looked up"},
		{Selection{Image: "/dev/null", Kernels: []string{"stock"}}, "--image"},
		{Selection{Config: "x"}, "--image"},
	} {
		_, err := New(tables(t), tc.sel, kernels.Resolved{}, nil)
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("New(%+v): %v, want a line with %q", tc.sel, err, tc.want)
		}
	}
}

func TestDefaultSettingsFitTheInterface(t *testing.T) {
	p := mustPlan(t, Selection{})
	for _, k := range lockdown.Interfaces() {
		for _, s := range DefaultSettings(k, "x86_64", p.Probes) {
			if err := s.CheckInterface(k); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestDigest: the digest changes with everything that a plan decides, and with
// nothing else.
func TestDigest(t *testing.T) {
	sel := Selection{Arches: []string{"x86_64"}, Settings: []string{"integrity@boot"}, Probes: []string{"kexec/load"}}
	identity := kernels.Identity{Kernel: "bitmap", Arch: "x86_64", Source: "apt:linux-source-6.12", Series: []kernels.SeriesID{{Name: "bitmap", SHA256: "00", Patches: 7}, {Name: "lab", All: "01"}}, Config: "11"}
	digest := func(change func(*Selection, *kernels.Identity)) string {
		t.Helper()
		s, id := sel, identity
		id.Series = slices.Clone(id.Series)
		change(&s, &id)
		p, err := New(tables(t), s, kernels.Resolved{}, func(kernels.Spec) (kernels.Identity, error) { return id, nil })
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest()
	}
	plain := digest(func(*Selection, *kernels.Identity) {})
	for name, change := range map[string]func(*Selection, *kernels.Identity){
		"kernel":       func(s *Selection, _ *kernels.Identity) { s.Kernels = []string{"stock"} },
		"architecture": func(s *Selection, _ *kernels.Identity) { s.Arches = []string{"arm64"} },
		"setting":      func(s *Selection, _ *kernels.Identity) { s.Settings = []string{"integrity@runtime"} },
		"probes":       func(s *Selection, _ *kernels.Identity) { s.Probes = append(s.Probes, "msr/write") },
		"source":       func(_ *Selection, id *kernels.Identity) { id.Source = "git:linux@v6.12" },
		"series":       func(_ *Selection, id *kernels.Identity) { id.Series[0].SHA256 = "01" },
		"more series":  func(_ *Selection, id *kernels.Identity) { id.Series = append(id.Series, kernels.SeriesID{Name: "x"}) },
		"variants":     func(_ *Selection, id *kernels.Identity) { id.Series[1].All = "02" },
		"config":       func(_ *Selection, id *kernels.Identity) { id.Config = "12" },
	} {
		if digest(change) == plain {
			t.Errorf("another %s: the same digest", name)
		}
	}
	// A plan is the same before and after its base was fetched, and however it
	// was spelt.
	for name, change := range map[string]func(*Selection, *kernels.Identity){
		"fetched": func(_ *Selection, id *kernels.Identity) {
			id.Version, id.SHA256 = "6.12.117", "22"
			id.Series[1].SHA256, id.Series[1].Patches = "33", 5
		},
		"spelt": func(s *Selection, _ *kernels.Identity) {
			s.Arches, s.Settings = []string{"amd64"}, []string{"integrity"}
		},
	} {
		if digest(change) != plain {
			t.Errorf("%s: another digest", name)
		}
	}
}

// TestUnknownReady: the error about another distribution's kernel lists those that the lab
// fetches.
func TestUnknownReady(t *testing.T) {
	tables := tables(t)
	if _, err := New(tables, Selection{Kernels: []string{"ubuntu:24.04"}}, kernels.Resolved{}, nil); err == nil || !strings.Contains(err.Error(), "debian:6.12") {
		t.Errorf("%v", err)
	}
	for _, name := range kernels.ReadyExamples() {
		if _, err := New(tables, Selection{Kernels: []string{name}}, kernels.Resolved{}, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
