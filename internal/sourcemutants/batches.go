package sourcemutants

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/scenarios"
)

// A patch is the mutants that are made by one patch of one kernel: the same
// build, and another probe or setting each.
type patch struct {
	kernels.SourceMutant // the first of them: name, kernel, architecture and files are those of all
	mutants              []kernels.SourceMutant
}

// A batch is patches that share a kernel.
type batch []patch

// subjectOf is what a patch may change in a batch: the probes of one reason, or, if
// the probe has none, of its scenario. Several scenarios use the same object by
// other ways, such as 32-bit calls, or files from before the lock.
func subjectOf(probe string) string {
	if row, ok := scenarios.Find(probe); ok && row.Reason != "" {
		return string(row.Reason)
	}
	scenario, _, _ := strings.Cut(probe, "/")
	return "scenario " + scenario
}

// explains reports whether an unexpected verdict of the probe follows from the
// patch: its rows name the probe, or one of the same subject.
func (p patch) explains(probe string) bool {
	return slices.ContainsFunc(p.mutants, func(x kernels.SourceMutant) bool {
		return subjectOf(x.Cell) == subjectOf(probe) || slices.Contains(x.Also, probe)
	})
}

// shared reports whether the patch changes code that other checks of lockdown use:
// lockdown itself, the hooks, or a header. Its rows may say so, too.
func (p patch) shared() bool {
	return slices.ContainsFunc(p.Files, func(name string) bool {
		return strings.HasPrefix(name, "security/") || strings.HasSuffix(name, ".h")
	}) || slices.ContainsFunc(p.mutants, func(x kernels.SourceMutant) bool { return x.Alone })
}

// tied reports whether two patches cannot share a kernel: they are for different
// ones, or it would not be clear which of them changed a verdict.
func (p patch) tied(o patch) bool {
	if p.Kernel != o.Kernel || p.Arch != o.Arch || p.shared() || o.shared() {
		return true
	}
	if slices.ContainsFunc(p.Files, func(name string) bool { return slices.Contains(o.Files, name) }) {
		return true
	}
	explained := func(p, o patch) bool {
		return slices.ContainsFunc(o.mutants, func(x kernels.SourceMutant) bool {
			return p.explains(x.Cell) || slices.ContainsFunc(x.Also, p.explains)
		})
	}
	return explained(p, o) || explained(o, p)
}

// group puts the mutants of a patch together. The order of the mutants does not
// matter.
func group(all []kernels.SourceMutant) (list []patch) {
	all = slices.SortedFunc(slices.Values(all), func(a, b kernels.SourceMutant) int {
		return cmp.Or(cmp.Compare(a.Kernel, b.Kernel), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Patch, b.Patch),
			cmp.Compare(a.Cell, b.Cell), slices.Compare(a.Settings, b.Settings))
	})
	for _, x := range all {
		if n := len(list) - 1; n >= 0 && list[n].Kernel == x.Kernel && list[n].Arch == x.Arch && list[n].Patch == x.Patch {
			list[n].mutants = append(list[n].mutants, x)
			continue
		}
		list = append(list, patch{x, []kernels.SourceMutant{x}})
	}
	return list
}

// batches distributes the mutants among kernels, so that no two patches of a batch
// are tied. With alone, each patch is a batch. The result is the same whatever the
// order of the mutants is. The patch that is tied to most others comes first, and
// each goes to the smallest batch that takes it: this needs few batches, and a
// batch that fails costs few builds.
func batches(all []kernels.SourceMutant, alone bool) (list []batch) {
	patches := group(all)
	ties := map[string]int{}
	id := func(p patch) string { return p.Kernel + "\n" + p.Arch + "\n" + p.Patch }
	for _, p := range patches {
		for _, o := range patches {
			if p.tied(o) {
				ties[id(p)]++
			}
		}
	}
	slices.SortStableFunc(patches, func(a, b patch) int { return cmp.Compare(ties[id(b)], ties[id(a)]) })
	for _, p := range patches {
		best := -1
		for i, b := range list {
			if !alone && !slices.ContainsFunc(b, p.tied) && (best < 0 || len(b) < len(list[best])) {
				best = i
			}
		}
		if best < 0 {
			list = append(list, batch{p})
		} else {
			list[best] = append(list[best], p)
		}
	}
	return list
}

// scenariosOf and settingsOf are those of all mutants of the batch, sorted.
func (b batch) scenariosOf() []string {
	return b.union(func(x kernels.SourceMutant) []string { return x.Scenarios })
}

func (b batch) settingsOf() []string {
	return b.union(func(x kernels.SourceMutant) []string { return x.Settings })
}

func (b batch) union(of func(kernels.SourceMutant) []string) (list []string) {
	for _, p := range b {
		for _, x := range p.mutants {
			list = append(list, of(x)...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// names lists the batch's patches.
func (b batch) names() string {
	var list []string
	for _, p := range b {
		list = append(list, p.Name())
	}
	return strings.Join(list, ", ")
}
