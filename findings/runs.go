package findings

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/scenarios"
)

// A Run is what findings have in common that are decided on one kernel.
type Run struct {
	Kernel string
	Arch   string
	Append string `json:",omitempty"`
	Patch  string `json:",omitempty"` // as in Finding; empty: the kernel as it is

	Findings []Finding `json:"-"`
}

// Name names the directory of the run's results. It has no slash.
func (r Run) Name() string {
	name := r.Kernel + "-" + r.Arch
	for _, part := range []string{r.Patch, r.Append} {
		if part != "" {
			name += "-" + part
		}
	}
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.,=+", c) {
			return c
		}
		return '-'
	}, name)
}

// Runs groups findings by what they are decided on: each group is one run. A
// finding with a patch is in two, with the patch and without it. arches are those
// to run on; empty: all that a finding names. The kernels as they are come first, and
// then those with a patch, kernel by kernel: a working tree is changed least.
func Runs(list []Finding, arches []string) (runs []Run) {
	add := func(r Run, f Finding) {
		i := slices.IndexFunc(runs, func(o Run) bool {
			return o.Kernel == r.Kernel && o.Arch == r.Arch && o.Append == r.Append && o.Patch == r.Patch
		})
		if i < 0 {
			i = len(runs)
			runs = append(runs, r)
		}
		runs[i].Findings = append(runs[i].Findings, f)
	}
	for _, f := range list {
		for _, a := range f.Arches {
			if f.OutOfReach != "" || len(arches) > 0 && !slices.Contains(arches, a) {
				continue
			}
			add(Run{Kernel: f.Kernel, Arch: a, Append: f.Append, Patch: f.OnTop}, f)
			if f.Patch != "" {
				add(Run{Kernel: f.Kernel, Arch: a, Append: f.Append, Patch: f.Patch}, f)
			}
		}
	}
	slices.SortStableFunc(runs, func(a, b Run) int {
		if d := one(a.Patch != "") - one(b.Patch != ""); d != 0 || a.Patch == "" {
			return d
		}
		return cmp.Or(cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Kernel, b.Kernel))
	})
	return runs
}

func one(set bool) int {
	if set {
		return 1
	}
	return 0
}

// Selection is the run as a plan selects it. Without findings that have steps on
// this run it has no jobs.
func (r Run) Selection() plan.Selection {
	sel := plan.Selection{Kernels: []string{r.Kernel}, Arches: []string{r.Arch}, Append: r.Append}
	for _, f := range r.Findings {
		for _, s := range f.Steps {
			if s.Probe != "" {
				sel.Jobs = append(sel.Jobs, plan.Job{Setting: f.setting(s), Probes: []string{s.Probe}})
			}
		}
		for _, set := range f.settings() {
			sel.Jobs = append(sel.Jobs, plan.Job{Name: f.job(set), Setting: set, Steps: f.acts(set), Machine: f.Machine})
		}
	}
	return sel
}

// job names the guest that does the finding's acts in a setting.
func (f Finding) job(setting string) string { return f.ID + "/" + setting }

// acts are the finding's acts in a setting, in order.
func (f Finding) acts(setting string) (list []scenarios.Step) {
	for _, s := range f.Steps {
		if s.Probe == "" && f.setting(s) == setting {
			list = append(list, s.Act)
		}
	}
	return list
}
