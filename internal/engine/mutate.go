package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// Mutate runs the plan (see plan.ForSites) on the kernels as they are, and then
// once for each call site that the probes reached and each answer that it can be
// made to give always. The matrix is that of the kernels without mutants. sample
// above 1 takes only every sample-th mutant. Every result is stored, so that an
// interrupted run resumes.
func Mutate(ctx context.Context, p *plan.Plan, o Options, sample int) ([]matrix.Mutation, *matrix.Matrix, error) {
	s, b, err := openForSites(ctx, p, o)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	defer b.close()
	return b.mutate(ctx, sample)
}

func (b *batch) mutate(ctx context.Context, sample int) ([]matrix.Mutation, *matrix.Matrix, error) {
	s, p := b.stage, b.stage.plan
	m, set, err := b.measure(ctx)
	if err != nil {
		return nil, m, err
	}
	bases := map[key]*baseline{}
	var todo []job
	for _, build := range p.Builds {
		base := newBaseline(s.kernels[keyOf(build)], set.Results, sample)
		bases[keyOf(build)] = base
		for _, x := range base.mutants {
			if len(x.job.probes) > 0 {
				todo = append(todo, x.job)
			}
		}
	}
	b.ended = func(res matrix.Result) string {
		base := bases[keyOfGuest(res.Guest)]
		return string(base.judge(res).Status)
	}
	if err := b.do(ctx, todo); err != nil {
		return nil, m, err
	}
	if ctx.Err() != nil {
		return nil, m, ErrInterrupted
	}
	if set, err = b.load(); err != nil {
		return nil, m, err
	}
	var all []matrix.Mutation
	for _, build := range p.Builds {
		all = append(all, bases[keyOf(build)].mutation(m, set.Mutants))
	}
	return all, m, nil
}

// alarms lists what is not as expected of a kernel without a mutant.
func alarms(m *matrix.Matrix, k key) (list []string) {
	for _, t := range m.Tables {
		if (key{t.Kernel, t.Arch}) != k {
			continue
		}
		for _, row := range t.Rows {
			for i, c := range row.Cells {
				if !c.Verdict.Expected() {
					list = append(list, fmt.Sprintf("%s, %s: %s", row.Probe, t.Columns[i].Setting, c.Verdict))
				}
			}
		}
	}
	return list
}

// A baseline is what a kernel without a mutant answered.
type baseline struct {
	k                 *kernel
	open, late, early matrix.Result // nothing locked; everything, at run time and at boot
	mutants           []mutant      // by the sites' names
}

// A mutant is one that the kernel can be made to be, with the guest that must
// notice it.
type mutant struct {
	matrix.Mutant
	job job // without probes, if none can notice the mutant
}

// newBaseline finds every sample-th mutant of the kernel of which the results
// have a baseline.
func newBaseline(k *kernel, list []matrix.Result, sample int) *baseline {
	base := &baseline{k: k}
	for _, res := range list {
		if keyOfGuest(res.Guest) != keyOf(k.build) {
			continue
		}
		switch {
		case res.Setting.Level == lockdown.None:
			base.open = res
		case res.Setting.Via == lockdown.Runtime:
			base.late = res
		default:
			base.early = res
		}
	}
	n := 0
	for _, site := range k.sites.Present {
		for _, answer := range []string{matrix.Allow, matrix.Deny} {
			if n%max(1, sample) == 0 {
				base.mutants = append(base.mutants, base.mutant(site, answer))
			}
			n++
		}
	}
	return base
}

// mutant finds the probes that check lockdown at the site and get another answer
// than the mutant would give.
func (base *baseline) mutant(site lockdown.Site, answer string) mutant {
	x := mutant{Mutant: matrix.Mutant{Site: site.Name, Call: site.Where(), Answer: answer}}
	x.job.mutant.command = answer + " " + site.Name
	locked, differs := base.late, func(k scenarios.Check) bool { return k.Denials > 0 }
	if answer == matrix.Deny {
		locked, differs = base.open, func(k scenarios.Check) bool { return k.Checks > k.Denials }
	}
	there := func(k scenarios.Check) bool { return k.Site == site.Name && differs(k) }
	for _, o := range locked.Observations() {
		row, ok := scenarios.Find(o.Probe)
		if ok && row.Expect == scenarios.Checked && !row.CheckedAtBoot && slices.ContainsFunc(o.Checks, there) {
			x.job.probes = append(x.job.probes, o.Probe)
		}
	}
	x.job.guest = locked.Guest
	if len(x.job.probes) > 0 {
		return x
	}
	if answer == matrix.Allow {
		locked = base.early
	}
	plain := locked.Plain()
	if s := plain.State(guestproto.WhenBoot); s != nil && slices.ContainsFunc(s.Checks, there) {
		x.job.probes = base.bootProbes(site, answer)
	}
	x.job.guest, x.job.mutant.atBoot = locked.Guest, true
	return x
}

// checked reports whether anything checks lockdown at the site.
func (base *baseline) checked(site string) bool {
	there := func(k scenarios.Check) bool { return k.Site == site }
	for _, res := range []matrix.Result{base.open, base.late, base.early} {
		for _, m := range res.Machines {
			if slices.ContainsFunc(m.Observations, func(o scenarios.Observation) bool { return slices.ContainsFunc(o.Checks, there) }) ||
				slices.ContainsFunc(m.States, func(s scenarios.State) bool { return slices.ContainsFunc(s.Checks, there) }) {
				return true
			}
		}
	}
	return false
}

// bootProbes lists the probes that observe the effect of the site's answer at
// boot: its own, or those of its reason if it has none.
//
// No denial is expected of a gap, so it detects only a site that denies.
func (base *baseline) bootProbes(site lockdown.Site, answer string) (own []string) {
	var others []string
	for _, row := range scenarios.Rows() {
		row = row.In(base.k.record.Origin.BaseVersion)
		switch {
		case row.Site == site.Where() && row.Expect == scenarios.Gap && answer == matrix.Deny:
			own = append(own, row.ID)
		case !row.CheckedAtBoot || row.Expect != scenarios.Checked || !row.On(base.k.build.Arch.Name):
		case row.Site == site.Where():
			own = append(own, row.ID)
		case row.Reason == site.Reason:
			others = append(others, row.ID)
		}
	}
	if len(own) == 0 {
		return others
	}
	return own
}

// mutation judges the kernel's mutants by their results.
func (base *baseline) mutation(m *matrix.Matrix, list []matrix.Result) matrix.Mutation {
	k := base.k
	all := matrix.Mutation{Kernel: k.build.Kernel.Name, Arch: k.build.Arch.Name, Interface: k.built.Interface, Origin: k.record.Origin, Alarms: alarms(m, keyOf(k.build))}
	byID := map[string]matrix.Result{}
	for _, r := range list {
		byID[resultID(r)] = r
	}
	for _, x := range base.mutants {
		switch res, ran := byID[x.job.id()]; {
		case len(x.job.probes) == 0 && base.checked(x.Site):
			x.Status, x.Why = matrix.NotCovered, "it gives that answer anyway"
		case len(x.job.probes) == 0:
			x.Status, x.Why = matrix.NotCovered, "no probe reaches it"
		case !ran:
			x.Status, x.Why = matrix.MutantError, "it did not run"
		default:
			x.Mutant = base.judge(res)
		}
		all.Mutants = append(all.Mutants, x.Mutant)
	}
	return all
}

// crashed reports whether a guest panicked or reset itself.
func crashed(e matrix.End) bool {
	return e.Lost() && (e.Cause == string(vm.Panicked) || e.Cause == string(vm.Reset))
}

// judge judges each probe of a mutant's result as in any other cell: against the
// control that ran in the kernel without the mutant.
func (base *baseline) judge(res matrix.Result) matrix.Mutant {
	i := slices.IndexFunc(base.mutants, func(x mutant) bool { return x.job.id() == resultID(res) })
	m := base.mutants[i].Mutant
	switch {
	case crashed(res.End):
		m.Status, m.DetectedBy, m.Why = matrix.Killed, matrix.DetectedByCrash, "the guest does not survive it: "+res.End.Detail
		return m
	case !res.End.Well():
		m.Status, m.Why = matrix.MutantError, res.End.String()
		return m
	}
	m.Status = matrix.Survived
	var others []string
	for _, id := range base.mutants[i].job.probes {
		v := matrix.JudgeProbe(id, res.Guest, &res, &base.open, base.k.record)
		if v.Verdict != m.Alarm() {
			others = append(others, fmt.Sprintf("%s: %s", id, v.Verdict))
			continue
		}
		if by := m.DetectionOf(v.Observed); len(m.By) == 0 || m.DetectedBy == matrix.DetectedByCounters && by == matrix.DetectedByEffect {
			m.Why, m.DetectedBy = v.Why, by
		}
		m.Status, m.By = matrix.Killed, append(m.By, id)
	}
	if m.Status == matrix.Survived {
		m.Why = strings.Join(others, ", ")
	}
	return m
}
