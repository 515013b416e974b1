package lab

import (
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A part is one machine of a guest and the probes that run in it.
type part struct {
	name    string // of the machine, and of the probe that is alone in it; empty: the plain machine
	variant variant
	probes  []string

	mutant       string // command of the lab series' mutate file; empty: none
	mutantAtBoot bool   // it is a kernel argument: the site asks before user space runs
}

// mutantArgs is the mutant on the kernel command line.
func (p part) mutantArgs() []string {
	if !p.mutantAtBoot {
		return nil
	}
	return []string{"ldlab_mutate=" + strings.Replace(p.mutant, " ", ":", 1)}
}

// mutantLater is the mutant of which the guest program is told.
func (p part) mutantLater() string {
	if p.mutantAtBoot {
		return ""
	}
	return p.mutant
}

// parts deals a plan's probes out to machines, in the plan's order, the plain
// machine first: every guest has that one.
func parts(probes []string, a *arch.Arch) []part {
	all := []part{{variant: variants[scenarios.Plain]}}
	for _, id := range probes {
		row, ok := scenarios.Find(id)
		if !ok || !row.On(a.Name) {
			continue
		}
		machine := on(row.Machine, a)
		name := string(machine)
		if row.Exclusive {
			name += " " + id
		}
		i := slices.IndexFunc(all, func(p part) bool { return p.name == name })
		if i < 0 {
			i = len(all)
			all = append(all, part{name: name, variant: variants[machine]})
		}
		all[i].probes = append(all[i].probes, id)
	}
	return all
}

// add adds what one machine saw to what the guest saw. How the guest was
// started, and how long that took, is said of the plain machine; where another
// one failed, its command line is what there is to repeat.
func add(to *matrix.Result, one matrix.Result, p part) {
	for i := range one.States {
		one.States[i].Where = p.name
	}
	for i := range one.Observations {
		one.Observations[i].Where = p.name
	}
	to.States = append(to.States, one.States...)
	to.Observations = append(to.Observations, one.Observations...)
	if p.name == "" {
		to.Forked, to.Timing, to.Command = one.Forked, one.Timing, one.Command
	}
	if one.Lost != nil || one.Error != "" {
		to.Lost, to.Error, to.Command = one.Lost, one.Error, one.Command
	}
}

// inOrder sorts observations as the plan has its probes.
func inOrder(obs []scenarios.Observation, probes []string) {
	at := map[string]int{}
	for i, id := range probes {
		at[id] = i
	}
	slices.SortStableFunc(obs, func(a, b scenarios.Observation) int { return at[a.Probe] - at[b.Probe] })
}
