package lab

import (
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
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
