package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// Mutate runs the plan (see plan.ForSites) on the unchanged kernels, and then
// on each chosen mutant the probes that it can change. The matrix is that of the
// unchanged kernels. Results are stored, so an interrupted run can be resumed.
func Mutate(ctx context.Context, p *plan.Plan, o Options, choice MutantChoice) ([]matrix.Mutation, *matrix.Matrix, error) {
	s, b, err := openForSites(ctx, p, o)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	defer b.close()
	return b.mutate(ctx, choice)
}

func (b *batch) mutate(ctx context.Context, choice MutantChoice) ([]matrix.Mutation, *matrix.Matrix, error) {
	s, p := b.stage, b.stage.plan
	m, set, err := b.measure(ctx)
	if err != nil {
		return nil, m, err
	}
	bases := map[key]*baseline{}
	var todo []job
	for _, build := range p.Builds {
		claims, err := equivalentClaims(build.Arch.Name)
		if err != nil {
			return nil, m, err
		}
		base := newBaseline(s.kernels[keyOf(build)], set.Results, choice, claims)
		bases[keyOf(build)] = base
		for _, x := range base.mutants {
			if len(x.job.probes) > 0 && x.same == "" {
				todo = append(todo, x.job)
			}
		}
	}
	b.ended = func(res matrix.Result) string {
		base := bases[keyOfGuest(res.Guest)]
		return string(base.judge(res, nil).Status)
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

// mutation judges the kernel's mutants by their results.
func (base *baseline) mutation(m *matrix.Matrix, list []matrix.Result) matrix.Mutation {
	k := base.k
	all := matrix.Mutation{Kernel: k.build.Kernel.Name, Arch: k.build.Arch.Name, Interface: k.built.Interface, Origin: k.record.Origin, Alarms: alarms(m, keyOf(k.build))}
	byID := map[string]matrix.Result{}
	for _, r := range list {
		byID[resultID(r)] = r
	}
	for _, x := range base.mutants {
		if x.aux {
			continue
		}
		switch res, ran := byID[x.job.id()]; {
		case !base.whole():
			x.Status, x.Why = matrix.MutantError, "a guest without a mutant did not end well, so it is not known which probes reach the site"
		case x.Why != "":
			x.Status = matrix.NotCovered
		case len(x.job.probes) == 0 && base.checked(x.Mutant):
			x.Status, x.Why = matrix.NotCovered, "what is checked gets that answer anyway"
		case len(x.job.probes) == 0:
			x.Status, x.Why = matrix.NotCovered, "no probe reaches it"
			if base.copied(x.Mutant) {
				x.Why = "no probe reaches this copy, which the compiler made of the call"
			}
		case x.same != "":
			x.Status, x.Why = matrix.Equivalent, x.same
		case !ran:
			x.Status, x.Why = matrix.MutantError, "the mutant did not run"
		default:
			var omitted *matrix.Result
			if i := slices.IndexFunc(base.mutants, func(o mutant) bool { return o.Site == x.Site && o.Kind == matrix.Omit }); i >= 0 && x.Site != "" {
				if r, ok := byID[base.mutants[i].job.id()]; ok {
					omitted = &r
				}
			}
			x.Mutant = base.judge(res, omitted)
		}
		all.Mutants = append(all.Mutants, x.Mutant)
	}
	return all
}

// copied reports whether the mutant's call site is one of several of the same call in
// the source, and probes reach another one.
func (base *baseline) copied(m matrix.Mutant) bool {
	i := slices.IndexFunc(base.k.sites.Present, func(s lockdown.Site) bool { return s.Name == m.Site })
	if i < 0 {
		return false
	}
	own := base.k.sites.Present[i]
	return slices.ContainsFunc(base.mutants, func(o mutant) bool {
		return o.Kind == m.Kind && o.Site != m.Site && len(o.job.probes) > 0 && slices.ContainsFunc(base.k.sites.Present, func(s lockdown.Site) bool {
			return s.Name == o.Site && own.File != "" && s.Where() == own.Where() && s.Line == own.Line
		})
	})
}

// crashed reports whether a guest panicked or reset itself.
func crashed(e matrix.End) bool {
	return e.Lost() && (e.Cause == string(vm.Panicked) || e.Cause == string(vm.Reset))
}

// judge judges each probe of a mutant's result like any other cell, against the
// control in the unchanged kernel. omitted is the result of the mutant without
// the call; nil if there is none.
func (base *baseline) judge(res matrix.Result, omitted *matrix.Result) matrix.Mutant {
	i := slices.IndexFunc(base.mutants, func(x mutant) bool { return x.job.id() == resultID(res) })
	x := base.mutants[i]
	m := x.Mutant
	switch {
	case crashed(res.End):
		m.Status, m.DetectedBy, m.Why = matrix.Killed, matrix.DetectedByCrash, "the guest crashed: "+res.End.Detail
		return m
	case !res.End.Well():
		m.Status, m.Why = matrix.MutantError, res.End.String()
		return m
	}
	var cells []matrix.Cell
	for _, id := range x.job.probes {
		cells = append(cells, matrix.JudgeProbe(id, res.Guest, &res, &base.open, base.k.record))
	}
	m.Judge(x.job.probes, cells)
	if x.claim != "" {
		judgeClaim(&m, x.claim)
		return m
	}
	if m.Status == matrix.Survived && m.Kind.Hides() && omitted != nil {
		if why := refusedAnyway(x.job.probes, *omitted, m.Site, x.label); why != "" {
			m.Status, m.Why = matrix.Equivalent, why
		}
	}
	return m
}

// equivalentClaims are the mutants that are said to be equivalent on an
// architecture.
func equivalentClaims(arch string) (map[string]string, error) {
	list, err := kernels.EquivalentMutants()
	claims := map[string]string{}
	for _, e := range list {
		if e.Arch == "" || e.Arch == arch {
			claims[e.Site+" "+e.Kind] = e.Why
		}
	}
	return claims, err
}

// judgeClaim holds a mutant against the claim that it is equivalent: one that is
// killed refutes the claim.
func judgeClaim(m *matrix.Mutant, claim string) {
	switch m.Status {
	case matrix.Survived:
		m.Status, m.Why = matrix.Equivalent, "declared: "+claim
	case matrix.Killed:
		m.Status, m.Why = matrix.MutantError, "it is declared equivalent, and "+strings.Join(m.By, ", ")+" detected it"
		m.By, m.DetectedBy = nil, ""
	}
}

// refusedAnyway says which other call denies the act of every probe in a kernel
// without the call at the site; empty if an act is not denied, or nothing was
// counted that denies it. The other call must check the same reason (label is its
// text): everything is locked here, and one that checks another reason denies
// nothing if only the site's own reason is locked.
func refusedAnyway(probes []string, omitted matrix.Result, site, label string) (why string) {
	if !omitted.End.Well() || label == "" {
		return ""
	}
	all := omitted.Observations()
	for _, id := range probes {
		i := slices.IndexFunc(all, func(o scenarios.Observation) bool { return o.Probe == id })
		if i < 0 || all[i].Outcome != scenarios.Denied || all[i].Effect == scenarios.Happened {
			return ""
		}
		j := slices.IndexFunc(all[i].Checks, func(k scenarios.Check) bool { return k.Site != site && k.Label == label && k.Denials > 0 })
		if j < 0 {
			return ""
		}
		why = fmt.Sprintf("without the call, %s denies the same acts", all[i].Checks[j].Site)
	}
	return why
}
