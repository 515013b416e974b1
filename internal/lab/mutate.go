package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// mutationSettings are those in which a mutant can be told from the kernel
// that it was: everything is locked, or nothing.
var mutationSettings = []string{"confidentiality@boot", "confidentiality@runtime"}

// MutationSelection asks for a plan that Mutate can start from.
func MutationSelection(sel Selection) Selection {
	sel.Settings = mutationSettings
	return sel
}

// Mutate runs the plan, a MutationSelection's, on the kernels as they are, and
// then once for each call site that the probes reached and each answer that it
// can be made to give always. The matrix is that of the kernels without
// mutants. sample above 0 takes only every sample-th mutant.
func Mutate(ctx context.Context, p *Plan, o Options, sample int) ([]matrix.Mutation, *matrix.Matrix, error) {
	r, m, results, err := measured(ctx, p, o)
	if err != nil {
		return nil, m, err
	}
	defer r.closeTemplates()
	var all []matrix.Mutation
	for _, build := range p.Builds {
		b := r.booted[build.Kernel.Name+"/"+build.Arch.Name]
		base := newBaseline(b, results)
		mutation := matrix.Mutation{Kernel: build.Kernel.Name, Arch: build.Arch.Name, Interface: b.built.Interface, Origin: b.origin, Alarms: alarms(m, build)}
		jobs := base.mutants()
		if sample > 1 {
			jobs = slices.DeleteFunc(jobs, func(j mutantJob) bool { return j.n%sample != 0 })
		}
		mutation.Mutants = r.mutants(ctx, b, base, jobs)
		if ctx.Err() != nil {
			return nil, m, ErrInterrupted
		}
		all = append(all, mutation)
	}
	return all, m, nil
}

// alarms lists what is not as expected of a kernel without a mutant.
func alarms(m *matrix.Matrix, build Build) (list []string) {
	for _, t := range m.Tables {
		if t.Kernel != build.Kernel.Name || t.Arch != build.Arch.Name {
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
	b                 *bootable
	open, late, early matrix.Result // nothing locked; everything, at run time and at boot
}

func newBaseline(b *bootable, results []matrix.Result) *baseline {
	base := &baseline{b: b}
	for _, res := range results {
		if res.Kernel != b.build.Kernel.Name || res.Arch != b.build.Arch.Name {
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
	return base
}

// A mutantJob is one mutant with the guest that must notice it.
type mutantJob struct {
	n      int
	mutant matrix.Mutant
	guest  matrix.Guest
	atBoot bool // the site asks while the kernel boots
	probes []string
}

// mutants lists a job for each site and answer, by the sites' names.
func (base *baseline) mutants() (jobs []mutantJob) {
	for _, site := range base.b.sites.Present {
		for _, answer := range []string{matrix.Allow, matrix.Deny} {
			j := base.job(site, answer)
			j.n = len(jobs)
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// job finds out who asks at the site and is answered otherwise than the mutant
// would answer.
func (base *baseline) job(site lockdown.Site, answer string) mutantJob {
	j := mutantJob{mutant: matrix.Mutant{Site: site.Name, Call: site.Where(), Answer: answer}}
	locked, tells := base.late, func(k scenarios.Check) bool { return k.Denials > 0 }
	if answer == matrix.Deny {
		locked, tells = base.open, func(k scenarios.Check) bool { return k.Checks > k.Denials }
	}
	there := func(k scenarios.Check) bool { return k.Site == site.Name && tells(k) }
	for _, o := range locked.Observations() {
		row, ok := scenarios.Find(o.Probe)
		if ok && row.Expect == scenarios.Checked && !row.CheckedAtBoot && slices.ContainsFunc(o.Checks, there) {
			j.probes = append(j.probes, o.Probe)
		}
	}
	j.guest = locked.Guest
	if len(j.probes) > 0 {
		return j
	}
	if answer == matrix.Allow {
		locked = base.early
	}
	plain := locked.Plain()
	if s := plain.State("boot"); s != nil && slices.ContainsFunc(s.Checks, there) {
		j.probes = base.bootProbes(site, answer)
	}
	j.guest, j.atBoot = locked.Guest, true
	return j
}

// asked reports whether anything asks at the site.
func (base *baseline) asked(site string) bool {
	there := func(k scenarios.Check) bool { return k.Site == site }
	for _, res := range []matrix.Result{base.open, base.late, base.early} {
		for _, o := range res.Observations() {
			if slices.ContainsFunc(o.Checks, there) {
				return true
			}
		}
		for _, m := range res.Machines {
			for _, s := range m.States {
				if slices.ContainsFunc(s.Checks, there) {
					return true
				}
			}
		}
	}
	return false
}

// bootProbes lists the probes that look at what came of the site's answer at
// boot: its own, or where it has none those of its reason.
//
// A gap owes no denial, so that only a site that denies can be told by it.
func (base *baseline) bootProbes(site lockdown.Site, answer string) (own []string) {
	var others []string
	for _, row := range scenarios.Rows() {
		switch {
		case row.Site == site.Where() && row.Expect == scenarios.Gap && answer == matrix.Deny:
			own = append(own, row.ID)
		case !row.CheckedAtBoot || row.Expect != scenarios.Checked || !row.On(base.b.build.Arch.Name):
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

// mutants runs the jobs and gives their mutants in the same order.
func (r *run) mutants(ctx context.Context, b *bootable, base *baseline, jobs []mutantJob) []matrix.Mutant {
	var wg sync.WaitGroup
	queue := make(chan *mutantJob)
	var mu sync.Mutex
	done := 0
	for range r.jobs() {
		wg.Go(func() {
			for j := range queue {
				r.mutant(ctx, b, base, j)
				mu.Lock()
				done++
				r.note("%s/%s %d/%d %s %s: %s", b.build.Kernel.Name, b.build.Arch.Name, done, len(jobs), j.mutant.Answer, j.mutant.Site, j.mutant.Status)
				mu.Unlock()
			}
		})
	}
	for i := range jobs {
		if ctx.Err() == nil {
			queue <- &jobs[i]
		}
	}
	close(queue)
	wg.Wait()
	var ms []matrix.Mutant
	for _, j := range jobs {
		ms = append(ms, j.mutant)
	}
	return ms
}

// mutant finds out what becomes of one mutant. A guest that fails is tried
// twice.
func (r *run) mutant(ctx context.Context, b *bootable, base *baseline, j *mutantJob) {
	m := &j.mutant
	if len(j.probes) == 0 {
		m.Status, m.Why = matrix.NotCovered, "no probe asks there"
		if base.asked(m.Site) {
			m.Why = "it answers so anyway"
		}
		return
	}
	var res matrix.Result
	for range 2 {
		res = matrix.Result{Guest: j.guest, Host: b.host, Origin: b.origin}
		for _, p := range parts(j.probes, b.build.Arch) {
			if len(p.probes) == 0 {
				continue // nothing runs in the plain machine
			}
			p.mutant, p.mutantAtBoot = m.Answer+" "+m.Site, j.atBoot
			run, end := r.bootPart(ctx, b, j.guest, p)
			res.Machines = append(res.Machines, run)
			if res.End = end; !end.Well() {
				break
			}
		}
		if res.End.Well() || ctx.Err() != nil {
			break
		}
	}
	judgeMutant(m, j, res, base)
}

// judgeMutant judges each probe as in any other cell: against the control that
// ran in the kernel without the mutant.
func judgeMutant(m *matrix.Mutant, j *mutantJob, res matrix.Result, base *baseline) {
	switch {
	case res.End.Lost() && (res.End.Cause == string(vm.Panicked) || res.End.Cause == string(vm.Reset)):
		m.Status, m.DetectedBy, m.Why = matrix.Killed, matrix.DetectedByCrash, "the guest does not survive it: "+res.End.Detail
		return
	case !res.End.Well():
		m.Status, m.Why = matrix.MutantError, res.End.String()
		return
	}
	m.Status = matrix.Survived
	var others []string
	for _, id := range j.probes {
		v := matrix.JudgeIn(id, res, &base.open, base.b.record())
		switch {
		case v.Verdict == m.Alarm():
			if sign := m.DetectionOf(v.Observed); len(m.By) == 0 || m.DetectedBy == matrix.DetectedByCounters && sign == matrix.DetectedByEffect {
				m.Why, m.DetectedBy = v.Why, sign
			}
			m.Status, m.By = matrix.Killed, append(m.By, id)
		default:
			others = append(others, fmt.Sprintf("%s: %s", id, v.Verdict))
		}
	}
	if m.Status == matrix.Survived {
		m.Why = strings.Join(others, ", ")
	}
}
