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

// Mutate runs the plan (see plan.ForSites) on the unchanged kernels, and then
// on each mutant: a call site that the probes reached, with a fixed answer. The
// matrix is that of the unchanged kernels. A sample above 1 takes only every
// sample-th mutant. Results are stored, so an interrupted run can be resumed.
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

// alarms lists the verdicts on an unchanged kernel that are not as expected.
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

// A baseline is the results of an unchanged kernel.
type baseline struct {
	k                 *kernel
	open, late, early matrix.Result // nothing locked; everything locked, at run time and at boot
	mutants           []mutant      // in the order of the sites' names
}

// A mutant is a possible mutant of the kernel, with the job whose probes can
// detect it.
type mutant struct {
	matrix.Mutant
	job job // without probes if none can detect the mutant
}

// newBaseline returns every sample-th mutant of the kernel if the results have
// a baseline of it.
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

// mutant finds the probes that check lockdown at the site and get an answer
// other than the mutant's.
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

// checked reports whether a check is made at the site.
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
// boot: those of the site, or else those of its reason.
//
// A gap is not expected to be denied, so it detects only a site that denies.
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
		case !base.whole():
			x.Status, x.Why = matrix.MutantError, "a guest without a mutant did not end well, so it is not known which probes reach the site"
		case len(x.job.probes) == 0 && base.checked(x.Site):
			x.Status, x.Why = matrix.NotCovered, "the site always gives that answer"
		case len(x.job.probes) == 0:
			x.Status, x.Why = matrix.NotCovered, "no probe reaches it"
		case !ran:
			x.Status, x.Why = matrix.MutantError, "the mutant did not run"
		default:
			x.Mutant = base.judge(res)
		}
		all.Mutants = append(all.Mutants, x.Mutant)
	}
	return all
}

// whole reports whether every guest of the baseline did its work.
func (base *baseline) whole() bool {
	for _, res := range []matrix.Result{base.open, base.late, base.early} {
		if len(res.Machines) == 0 || !res.End.Well() {
			return false
		}
	}
	return true
}

// crashed reports whether a guest panicked or reset itself.
func crashed(e matrix.End) bool {
	return e.Lost() && (e.Cause == string(vm.Panicked) || e.Cause == string(vm.Reset))
}

// judge judges each probe of a mutant's result like any other cell, against the
// control in the unchanged kernel.
func (base *baseline) judge(res matrix.Result) matrix.Mutant {
	i := slices.IndexFunc(base.mutants, func(x mutant) bool { return x.job.id() == resultID(res) })
	m := base.mutants[i].Mutant
	switch {
	case crashed(res.End):
		m.Status, m.DetectedBy, m.Why = matrix.Killed, matrix.DetectedByCrash, "the guest crashed: "+res.End.Detail
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
