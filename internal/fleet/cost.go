package fleet

import (
	"math"
	"slices"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
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
	guest          matrix.Guest
	seconds, table float64
}

// Add reads the results of an earlier run: its directory, or its file. Of a guest
// that several runs measured, the last one counts.
func (c *Costs) Add(path string) error {
	found := map[string]cost{}
	h, err := results.Each(path, func(r matrix.Result) {
		if s := took(r); s > 0 && r.End.Well() && r.Mutant == "" {
			found[r.ID()] = cost{r.Guest, s, 0}
		}
	})
	if err != nil {
		return err
	}
	if c.measured == nil {
		c.measured = map[string]cost{}
	}
	for id, m := range found {
		counts := len(h.Kernel(m.guest.Kernel, m.guest.Arch).Calls) > 0
		m.table = tableSeconds(m.guest, h.Probes, counts)
		c.measured[id] = m
	}
	return nil
}

// took is how long a guest ran, in seconds: its machines run one after the other. A
// clock that went backwards gives 0.
func took(r matrix.Result) (seconds float64) {
	for _, m := range r.Machines {
		if n := len(m.Timing); n > 0 {
			ms := m.Timing[n-1].MS
			if ms < 0 {
				return 0
			}
			seconds += float64(ms) / 1000
		}
	}
	return seconds
}

// factors are, for each architecture, by how much the measured guests of a plan differ
// from the table: guests that were not measured are scaled by it.
func (c Costs) factors(p *plan.Plan) map[string]float64 {
	measured, table := map[string]float64{}, map[string]float64{}
	for _, g := range p.Guests {
		if m, ok := c.measured[g.ID()]; ok {
			measured[m.guest.Arch] += m.seconds
			table[m.guest.Arch] += m.table
		}
	}
	factors := map[string]float64{}
	for arch, s := range measured {
		if table[arch] > 0 {
			factors[arch] = s / table[arch]
		}
	}
	return factors
}

// seconds estimates what a guest costs. If a run measured it with other probes, the
// table scales what was measured.
func (c Costs) seconds(p *plan.Plan, g matrix.Guest, factors map[string]float64) float64 {
	s := tableSeconds(g, p.Probes, counts(p, g))
	if m, ok := c.measured[g.ID()]; ok && m.table > 0 {
		s *= m.seconds / m.table
	} else if f, ok := factors[g.Arch]; ok {
		s *= f
	}
	return math.Round(s*10) / 10
}

// perProbe is what a probe takes in a guest, in seconds, with all that belongs to the
// guest: measured with 4 guests at once on 2 processors under TCG (make docs, and make
// distributions for kernels that do not count their checks).
var perProbe = map[class]float64{
	{"x86_64", true, false}: 0.12, {"x86_64", true, true}: 0.07,
	{"arm64", true, false}: 0.16, {"arm64", true, true}: 0.11,
	{"x86_64", false, false}: 1.6, {"x86_64", false, true}: 0.8,
	{"arm64", false, false}: 1.5, {"arm64", false, true}: 1.0,
}

// A class is what the cost of a guest depends on most.
type class struct {
	arch   string
	counts bool // the kernel counts its checks; else the guest waits for the log
	forked bool // nothing is on the kernel command line, so the guest is a fork
}

// tableSeconds is what the table has for a guest of a plan with these probes.
func tableSeconds(g matrix.Guest, planned []string, counts bool) float64 {
	each := perProbe[class{g.Arch, counts, len(g.Setting.KernelArgs()) == 0}]
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

// counts reports whether the kernel of a guest counts its checks: it has the lab's
// series.
func counts(p *plan.Plan, g matrix.Guest) bool {
	return slices.ContainsFunc(p.Builds, func(b plan.Build) bool {
		return b.Kernel.Name == g.Kernel && b.Kernel.Ready == "" && slices.Contains(b.Kernel.Series, "lab")
	})
}

// setupSeconds is what a shard takes for a kernel, whatever the number of guests:
// templates boot, from which its guests are forked.
func setupSeconds(arch string) float64 {
	if arch == "x86_64" {
		return 6
	}
	return 10
}
