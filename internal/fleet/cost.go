package fleet

import (
	"math"
	"slices"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Costs are what guests of earlier runs took. The zero value knows nothing, and the
// table decides.
//
// A cost is in seconds of one guest of several that run at once, as a machine with its
// default number of jobs has it. A shard takes about the sum of its guests divided by
// that number, and its kernels' seconds in addition.
type Costs struct {
	measured map[string]cost // by guest
}

// A cost is what a guest took, and what the table has for it.
type cost struct {
	kind           kind
	seconds, table float64
}

// A kind is what guests have in common that differ from the table by a like factor.
type kind struct {
	arch   string
	counts bool // the kernel counts its checks; else the guest waits for the log
}

// Add reads the results of an earlier run: its directory, or its file. Of a guest
// that several runs measured, the last one counts.
func (c *Costs) Add(path string) error {
	guests, runs := map[string]matrix.Guest{}, map[string][]float64{}
	h, err := results.Each(path, func(r matrix.Result) {
		if r.End.Well() && r.Mutant == "" && !r.Again {
			guests[r.ID()], runs[r.ID()] = r.Guest, machines(r)
		}
	})
	if err != nil {
		return err
	}
	if c.measured == nil {
		c.measured = map[string]cost{}
	}
	for id, g := range guests {
		counts := len(h.Kernel(g.Kernel, g.Arch).Calls) > 0
		if s := took(runs[id], counts); s > 0 {
			c.measured[id] = cost{kind{g.Arch, counts}, s, tableSeconds(g, h.Probes, counts)}
		}
	}
	return nil
}

// machines are how long each machine of a guest ran, in seconds.
func machines(r matrix.Result) (list []float64) {
	for _, m := range r.Machines {
		if n := len(m.Timing); n > 0 {
			list = append(list, float64(m.Timing[n-1].MS)/1000)
		}
	}
	return list
}

// took is how long a guest ran whose machines ran so long: one after the other if its
// kernel counts its checks, and else at once. A clock that went backwards gives 0.
func took(machines []float64, counts bool) (s float64) {
	for _, m := range machines {
		switch {
		case m < 0:
			return 0
		case counts:
			s += m
		default:
			s = max(s, m)
		}
	}
	return s
}

// factors are, for each kind, by how much the measured guests of a plan differ from the
// table: guests that were not measured are scaled by it.
func (c Costs) factors(p *plan.Plan) map[kind]float64 {
	measured, table := map[kind]float64{}, map[kind]float64{}
	for _, g := range p.Guests {
		if m, ok := c.measured[g.ID()]; ok {
			measured[m.kind] += m.seconds
			table[m.kind] += m.table
		}
	}
	factors := map[kind]float64{}
	for k, s := range measured {
		if table[k] > 0 {
			factors[k] = s / table[k]
		}
	}
	return factors
}

// seconds estimates what a guest costs. If a run measured it with other probes, the
// table scales what was measured.
func (c Costs) seconds(p *plan.Plan, g matrix.Guest, factors map[kind]float64) float64 {
	s := tableSeconds(g, p.Probes, counts(p, g))
	if m, ok := c.measured[g.ID()]; ok && m.table > 0 {
		s *= m.seconds / m.table
	} else if f, ok := factors[kind{g.Arch, counts(p, g)}]; ok {
		s *= f
	}
	return math.Round(s*10) / 10
}

// perProbe is what a probe takes in a guest, in seconds, with all that belongs to the
// guest: measured on 2 processors under TCG, with as many guests at once as the lab runs
// by default (ldlab run; and make distributions, of kernels that do not count their
// checks).
var perProbe = map[class]float64{
	{kind{"x86_64", true}, false}: 0.12, {kind{"x86_64", true}, true}: 0.06,
	{kind{"arm64", true}, false}: 0.15, {kind{"arm64", true}, true}: 0.11,
	{kind{"x86_64", false}, false}: 0.89, {kind{"x86_64", false}, true}: 0.71,
	{kind{"arm64", false}, false}: 1.03, {kind{"arm64", false}, true}: 0.92,
}

// A class is what the cost of a guest depends on most.
type class struct {
	kind
	forked bool // nothing is on the kernel command line, so the guest is a fork
}

// tableSeconds is what the table has for a guest of a plan with these probes.
func tableSeconds(g matrix.Guest, planned []string, counts bool) float64 {
	each := perProbe[class{kind{g.Arch, counts}, len(g.Setting.KernelArgs()) == 0}]
	if each == 0 {
		each = 1 // an architecture that was never measured
	}
	n := 1 // a guest without probes takes time, too
	for _, id := range g.Probes(planned) {
		if row, ok := scenarios.Find(id); ok && row.On(g.Arch) {
			n++
		}
	}
	return float64(n) * each
}

// counts reports whether the kernel of a guest counts its checks.
func counts(p *plan.Plan, g matrix.Guest) bool {
	return slices.ContainsFunc(p.Builds, func(b plan.Build) bool { return b.Kernel.Name == g.Kernel && countsChecks(b.Kernel) })
}

// countsChecks reports whether a kernel has the lab's series.
func countsChecks(k kernels.Kernel) bool {
	return k.Ready == "" && slices.Contains(k.Series, "lab")
}

// setupSeconds is what a shard takes for a kernel, whatever the number of guests:
// templates boot, from which its guests are forked.
func setupSeconds(arch string) float64 {
	if arch == "x86_64" {
		return 6
	}
	return 10
}
