package sourcemutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Real patches, because they are written to the directory of the results.
func rows() []kernels.SourceMutant {
	return []kernels.SourceMutant{
		row("kexec-late", "kexec/load", "kernel/kexec.c", func(x *kernels.SourceMutant) { x.Settings = []string{"confidentiality@runtime"} }),
		row("msr-late", "msr/write", "arch/x86/kernel/msr.c"),
		row("tiocsserial-compat", "compat/serial-irq", "drivers/tty/serial/serial_core.c"),
	}
}

// A fakeLab answers for kernels with mutants, without a build or a boot.
type fakeLab struct {
	leaks  map[string][]string // by patch: probes that leak; patches joined by + leak only together
	hides  map[string]string   // by patches: a probe that does not leak
	broken func(patches []string) error
	lost   func(patches []string) bool
	bug    func(patches []string) bool
	ran    []string // the patches, scenarios and settings of each kernel
	out    []string
}

func (f *fakeLab) measure(_ context.Context, sel plan.Selection, o engine.Options) (*matrix.Matrix, error) {
	var patches []string
	for _, path := range sel.Series {
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		patches = append(patches, strings.TrimSuffix(filepath.Base(path), ".patch"))
	}
	slices.Sort(patches)
	f.ran = append(f.ran, fmt.Sprintf("%s: %s: %s", strings.Join(patches, "+"), strings.Join(sel.Scenarios, ","), strings.Join(sel.Settings, ",")))
	f.out = append(f.out, o.Out)
	if f.broken != nil {
		if err := f.broken(patches); err != nil {
			return nil, err
		}
	}
	leaking := map[string]bool{}
	for names, probes := range f.leaks {
		if !slices.ContainsFunc(strings.Split(names, "+"), func(name string) bool { return !slices.Contains(patches, name) }) {
			for _, id := range probes {
				leaking[id] = f.hides[strings.Join(patches, "+")] != id
			}
		}
	}
	t := matrix.Table{Kernel: sel.Kernels[0], Arch: sel.Arches[0]}
	for _, s := range append([]string{"none"}, sel.Settings...) {
		c := matrix.Column{Setting: setting(s)}
		if f.bug != nil && f.bug(patches) {
			c.Splats = []string{"WARNING: at f"}
		}
		t.Columns = append(t.Columns, c)
	}
	for _, r := range scenarios.Rows() {
		scenario, _, _ := strings.Cut(r.ID, "/")
		if !slices.Contains(sel.Scenarios, scenario) {
			continue
		}
		cells := []matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.Open}}}
		for range sel.Settings {
			v := matrix.Enforced
			switch {
			case f.lost != nil && f.lost(patches):
				v = matrix.Lost
			case leaking[r.ID]:
				v = matrix.Leak
			}
			cells = append(cells, matrix.Cell{Judgment: matrix.Judgment{Verdict: v}})
		}
		t.Rows = append(t.Rows, matrix.TableRow{Probe: r.ID, Cells: cells})
	}
	return &matrix.Matrix{Tables: []matrix.Table{t}}, nil
}

// What runs: the kernel with all three patches, each patch alone, and each alone as in
// the kernel with all.
const (
	three      = "kexec-late+msr-late+tiocsserial-compat"
	like       = ": compat,kexec,msr: confidentiality@runtime,integrity@boot"
	kexecAlone = "kexec-late: kexec: confidentiality@runtime"
	msrAlone   = "msr-late: msr: integrity@boot"
	ttyAlone   = "tiocsserial-compat: compat: integrity@boot"
)

// TestRun checks which mutants run again alone, and which status each gets. The probe
// compat/iopl runs with the third patch, and no row explains it.
func TestRun(t *testing.T) {
	in := func(names ...string) func([]string) bool {
		return func(patches []string) bool {
			return slices.Equal(patches, names) || slices.Contains(patches, names[0]) && len(names) == 1
		}
	}
	broken := func(is func([]string) bool) func([]string) error {
		return func(patches []string) error {
			if is(patches) {
				return errors.New("build: x.c:1")
			}
			return nil
		}
	}
	several := func(patches []string) bool { return len(patches) > 1 }
	alone := []string{three + like, kexecAlone, msrAlone, ttyAlone}
	asAll := []string{three + like, "kexec-late" + like, "msr-late" + like, "tiocsserial-compat" + like}
	for name, tc := range map[string]struct {
		lab   fakeLab
		more  map[string][]string // leaks
		alone bool
		ran   []string
		want  map[string]string // status and text of what is not killed
	}{
		"all are killed":          {ran: []string{three + like}},
		"--alone":                 {alone: true, ran: alone[1:]},
		"its scenario leaks":      {more: map[string][]string{"kexec-late": {"kexec/replace"}}, ran: []string{three + like}},
		"a survivor":              {lab: fakeLab{leaks: map[string][]string{"msr-late": nil}}, ran: []string{three + like, msrAlone}, want: map[string]string{"msr-late": "survived: msr/write under integrity@boot: enforced"}},
		"it hides another":        {lab: fakeLab{hides: map[string]string{three: "msr/write"}}, ran: []string{three + like, msrAlone}},
		"none builds":             {lab: fakeLab{broken: broken(several)}, ran: alone},
		"one does not build":      {lab: fakeLab{broken: broken(in("msr-late"))}, ran: alone, want: map[string]string{"msr-late": "error: build: x.c:1"}},
		"a guest is lost":         {lab: fakeLab{lost: several}, ran: alone},
		"a bug of its own":        {lab: fakeLab{bug: several}, ran: alone},
		"one loses its guest":     {lab: fakeLab{lost: in("msr-late")}, ran: alone, want: map[string]string{"msr-late": "error: msr/write under integrity@boot: lost"}},
		"a foreign leak":          {more: map[string][]string{"msr-late": {"compat/iopl"}}, ran: asAll, want: map[string]string{"": "error: compat/iopl under confidentiality@runtime: LEAK, compat/iopl under integrity@boot: LEAK, and no patch of this kernel names the probe; msr-late causes it alone: name the probe in mutants.toml (also)"}},
		"a foreign leak together": {more: map[string][]string{three: {"compat/iopl"}}, ran: asAll, want: map[string]string{"": "error: compat/iopl under confidentiality@runtime: LEAK, compat/iopl under integrity@boot: LEAK, and no patch of this kernel names the probe; no patch causes it alone"}},
		"one is killed by another": {lab: fakeLab{leaks: map[string][]string{"kexec-late": nil, "msr-late": {"msr/write", "kexec/load", "compat/iopl"}}}, ran: asAll,
			want: map[string]string{"kexec-late": "survived: kexec/load under confidentiality@runtime: enforced", "": "error: compat/iopl under confidentiality@runtime: LEAK, compat/iopl under integrity@boot: LEAK, and no patch of this kernel names the probe; msr-late causes it alone: name the probe in mutants.toml (also)"}},
	} {
		t.Run(name, func(t *testing.T) {
			lab := tc.lab
			leaks := map[string][]string{"kexec-late": {"kexec/load"}, "msr-late": {"msr/write"}, "tiocsserial-compat": {"compat/serial-irq"}}
			for n, probes := range lab.leaks {
				leaks[n] = probes
			}
			for n, probes := range tc.more {
				leaks[n] = append(leaks[n], probes...)
			}
			lab.leaks = leaks
			r := &runner{options: engine.Options{Out: t.TempDir()}, measure: lab.measure}
			found, err := r.run(t.Context(), rows(), tc.alone)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(lab.ran)
			slices.Sort(tc.ran)
			if !slices.Equal(lab.ran, tc.ran) {
				t.Errorf("ran %q\nwant %q", lab.ran, tc.ran)
			}
			for i, x := range found {
				text := string(x.Status) + ": " + x.Why
				key := x.Site
				if i >= len(rows()) {
					if key = ""; strings.Count(x.Site, ", ") != 2 {
						t.Errorf("%q are not the patches of the kernel", x.Site)
					}
				} else if x.Site != rows()[i].Name() {
					t.Errorf("mutant %d is %q", i, x.Site)
				}
				want, ok := tc.want[key]
				switch {
				case !ok && (x.Status != matrix.Killed || !slices.Equal(x.By, []string{rows()[i].Cell})):
					t.Errorf("%s: %+v", x.Site, x)
				case ok && text != want:
					t.Errorf("%s: %s\nwant %s", x.Site, text, want)
				}
			}
			for key := range tc.want {
				if !slices.ContainsFunc(found, func(x matrix.Mutant) bool {
					return x.Status != matrix.Killed && (x.Site == key || key == "" && strings.Contains(x.Site, ","))
				}) {
					t.Errorf("there is no mutant %q: %+v", key, found)
				}
			}
			slices.Sort(lab.out)
			if n := len(slices.Compact(slices.Clone(lab.out))); n != len(lab.ran) {
				t.Errorf("%d directories for %d kernels: %q", n, len(lab.ran), lab.out)
			}
		})
	}
}

// TestDirectories: a kernel has the same directory in the next run, so that it is
// resumed, and another one if its patches, scenarios or settings are others.
func TestDirectories(t *testing.T) {
	all := group(rows())
	var lab fakeLab
	r := &runner{options: engine.Options{Out: t.TempDir(), Resume: true}, measure: lab.measure}
	for _, of := range []struct{ b, like batch }{
		{batch{all[0]}, batch{all[0]}}, {batch{all[0]}, batch{all[0]}}, {batch{all[0]}, batch(all)}, {batch(all), batch(all)}, {batch{all[1]}, batch{all[1]}},
	} {
		if _, err := r.boot(t.Context(), of.b, of.like); err != nil {
			t.Fatal(err)
		}
	}
	if lab.out[0] != lab.out[1] || len(slices.Compact(slices.Clone(lab.out))) != 4 {
		t.Errorf("%q", lab.out)
	}
}

// TestNoMutant: the error names the flag that left none.
func TestNoMutant(t *testing.T) {
	for match, named := range map[string]bool{"": false, "nosuch": true} {
		_, err := Run(t.Context(), &plan.Plan{}, engine.Options{}, engine.MutantChoice{Match: match})
		if err == nil || strings.Contains(err.Error(), "(--match)") != named || named && !strings.Contains(err.Error(), match) {
			t.Errorf("%q: %v", match, err)
		}
	}
}

// TestRunStops: what is not the patches' fault ends the run, and no mutant runs alone.
func TestRunStops(t *testing.T) {
	for _, want := range []error{engine.ErrInterrupted, engine.ErrOtherPlan, engine.ErrResultsThere} {
		lab := fakeLab{broken: func([]string) error { return fmt.Errorf("resume: %w", want) }}
		r := &runner{options: engine.Options{Out: t.TempDir()}, measure: lab.measure}
		if _, err := r.run(t.Context(), rows(), false); !errors.Is(err, want) || len(lab.ran) != 1 {
			t.Errorf("%v: %v after %q", want, err, lab.ran)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	lab := fakeLab{broken: func([]string) error { cancel(); return errors.New("make: killed") }}
	r := &runner{options: engine.Options{Out: t.TempDir()}, measure: lab.measure}
	if _, err := r.run(ctx, rows(), false); !errors.Is(err, engine.ErrInterrupted) || len(lab.ran) != 1 {
		t.Errorf("cancelled: %v after %q", err, lab.ran)
	}
}
