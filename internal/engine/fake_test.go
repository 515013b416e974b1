package engine

import (
	"context"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// sound answers like a sound kernel, without a boot.
func sound(ctx context.Context, g matrix.Guest, probes []string) matrix.Result {
	return soundWith(nil, ctx, g, probes)
}

// soundWith answers like a sound kernel that has these reasons.
func soundWith(has lockdown.KernelReasons, _ context.Context, g matrix.Guest, probes []string) matrix.Result {
	var run matrix.MachineRun
	model := has.NewModel(g.Interface, g.Setting)
	read := func(file string) string {
		s := model.Answer(lockdown.Op{Call: "read", File: file})
		if s.Err != "" {
			return ""
		}
		return s.Data
	}
	boot := scenarios.State{When: guestproto.WhenBoot}
	run.States = []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown,capability", Level: read(lockdown.LevelFile), Reasons: read(lockdown.ReasonsFile)}}
	for _, id := range probes {
		row, _ := scenarios.Find(id)
		if !row.On(g.Arch) {
			continue
		}
		o := scenarios.Observation{Probe: id, Comm: "ldp-1", Runs: 1, Report: scenarios.Report{Outcome: scenarios.Allowed, Call: "call = ok"}}
		switch {
		case row.Expect == scenarios.ABI:
			o.Outcome = scenarios.Answered
			o.Ops = []lockdown.Op{has.NewModel(g.Interface, g.Setting).Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile})}
		case row.Expected(g.Setting) == scenarios.ExpectDenied && has.Has(row.Reason):
			refusing := row.Refusing(g.Setting)
			info, _ := lockdown.Info(refusing[len(refusing)-1]) // a shadow, if there is one
			o.Outcome, o.Call = scenarios.Denied, "call = EPERM"
			line := func(comm string) string {
				return "Lockdown: " + comm + ": " + info.Label + " is restricted; see man kernel_lockdown.7"
			}
			if row.DeniedAtBoot(g.Setting) {
				boot.Log = append(boot.Log, line("swapper/0"))
			} else {
				o.Log = []string{line("ldp-1")}
			}
		}
		run.Observations = append(run.Observations, o)
	}
	run.States = append([]scenarios.State{boot}, run.States...)
	return matrix.Result{Guest: g, Machines: []matrix.MachineRun{run}}
}

// mustPlan plans a selection and reads its inputs.
func mustPlan(t testing.TB, sel plan.Selection) *plan.Plan {
	t.Helper()
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	in, err := kernels.Resolve(t.Context(), kernels.Inputs{Source: sel.Source, Series: sel.Series, Image: sel.Image, Config: sel.Config, Sites: sel.Sites, Modules: sel.Modules})
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(tables, sel, in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tcg is the host of guests that exist in tests only.
var tcg = matrix.Host{Arch: "x86_64", Accel: "tcg", QEMU: "QEMU 7.2", CPU: "max"}

// A fakeRun is a run of x86_64 guests that guest answers for.
type fakeRun struct {
	options Options
	plan    *plan.Plan
	host    matrix.Host
	origin  matrix.Origin
	has     lockdown.KernelReasons
	batch   func(*batch) // changes the batch before it runs
	guest   func(context.Context, matrix.Guest, []string) matrix.Result
}

func fake(t *testing.T, out string, guest func(context.Context, matrix.Guest, []string) matrix.Result) *fakeRun {
	t.Helper()
	return &fakeRun{options: Options{Out: out, Jobs: 2}, plan: mustPlan(t, plan.Selection{Arches: []string{"x86_64"}}), host: tcg, guest: guest}
}

// measure does what Run does, without a build or a boot.
func (f *fakeRun) measure(ctx context.Context) (*matrix.Matrix, error) {
	s := newStage(f.plan, f.options)
	defer s.Close()
	for _, build := range f.plan.Builds {
		s.kernels[keyOf(build)] = &kernel{build: build, host: f.host, record: matrix.Kernel{Name: build.Kernel.Name, Arch: build.Arch.Name, Origin: f.origin, Reasons: f.has}}
	}
	b, err := openBatch(s)
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.run = func(ctx context.Context, j job) matrix.Result {
		res := f.guest(ctx, j.guest, j.probes)
		res.Host, res.Origin, res.Again = f.host, f.origin, j.again
		return res
	}
	if f.batch != nil {
		f.batch(b)
	}
	m, _, err := b.measure(ctx)
	return m, err
}
