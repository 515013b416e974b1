package engine

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/vm"
)

// modelChecks is the number of sequences for a kernel in "make test". To run
// more:
//
//	RAPID_CHECKS=2000 go test ./internal/engine -run TestModelForReal -timeout 2h
const modelChecks = 40

// setRapid sets rapid's flags for one test. Flags of the command line or the
// environment stay. seed 0 is a new one every time.
func setRapid(t *testing.T, checks, seed int) {
	t.Helper()
	steps := 20 // mean number of draws in a sequence; it varies widely
	if testing.Short() {
		checks, steps = 5*checks, 2*steps // rapid then does a fifth of the checks with half the draws
	}
	asked := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { asked[f.Name] = true })
	for name, value := range map[string]string{
		"rapid.checks": strconv.Itoa(checks), "rapid.steps": strconv.Itoa(steps), "rapid.seed": strconv.Itoa(seed),
		"rapid.nofailfile": "true", // the log has the smallest sequence
	} {
		_, env := os.LookupEnv(strings.ToUpper(strings.ReplaceAll(name, ".", "_")))
		if asked[name] || env {
			continue
		}
		old := flag.Lookup(name).Value.String()
		if err := flag.Lookup(name).Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Lookup(name).Value.Set(old) })
	}
}

// TestModelForReal: real kernels answer random sequences as the model does.
// Each sequence has its own fork, because a lock stays.
func TestModelForReal(t *testing.T) {
	for _, tc := range []struct {
		kernel, arch string
		settings     []string
	}{
		{"bitmap", "x86_64", []string{"none", "none", "none", "integrity@runtime", "dev_mem,kcore@runtime", "dev_mem,perf@boot"}},
		{"bitmap", "arm64", []string{"none", "none", "none", "integrity@runtime", "dev_mem,kcore@runtime", "dev_mem,perf@boot"}},
		{"stock", "x86_64", []string{"none", "none", "none", "integrity@runtime", "integrity@boot"}},
	} {
		t.Run(tc.kernel+"/"+tc.arch, func(t *testing.T) {
			p := forReal(t, plan.Selection{Kernels: []string{tc.kernel}, Arches: []string{tc.arch}})
			setRapid(t, modelChecks, 0)
			f := newForks(t, p)
			settings, err := plan.ParseSettings(tc.settings)
			if err != nil {
				t.Fatal(err)
			}
			h := &hunt{iface: p.Builds[0].Kernel.Interface, settings: settings, run: f.run}
			start := time.Now()
			defer func() {
				t.Logf("%d sequences of %d operations in %.1f s, %d forks; in %d sequences, concurrent operations ran in another order than written",
					h.sequences, h.ops, time.Since(start).Seconds(), f.forked, h.crossed)
				if t.Failed() {
					t.Logf("smallest difference: %s", h.report())
				}
			}()
			rapid.Check(t, h.check)
		})
	}
}

// TestModelNoticesForReal changes every write to lower case on its way to a
// real kernel, so that the kernel seems to ignore case.
func TestModelNoticesForReal(t *testing.T) {
	p := forReal(t, plan.Selection{Arches: []string{"x86_64"}})
	setRapid(t, modelChecks, 1)
	f := newForks(t, p)
	h := &hunt{iface: lockdown.Bitmap, settings: []lockdown.Setting{{}}, run: func(s lockdown.Setting, sequence []lockdown.Op) ([]lockdown.Op, error) {
		lower := slices.Clone(sequence)
		for i := range lower {
			lower[i].Data = strings.ToLower(lower[i].Data)
		}
		answers, err := f.run(s, lower)
		for i := range answers {
			if answers[i].Call == "write" {
				answers[i].Data = sequence[i].Data
			}
		}
		return answers, err
	}}
	start := time.Now()
	if !h.fails(t) || h.found == nil || h.found.To != 1 {
		t.Fatalf("after %d sequences, %s\nwant one write", h.sequences, h.report())
	}
	t.Logf("%d sequences of %d operations and the shrinking in %.1f s: %s", h.sequences, h.ops, time.Since(start).Seconds(), h.report())
}

// forks runs sequences in forks of a kernel.
type forks struct {
	ctx    context.Context
	stage  *Stage
	kernel *kernel
	forked int
}

func newForks(t *testing.T, p *plan.Plan) *forks {
	t.Helper()
	s, err := NewStage(t.Context(), p, Options{Out: t.TempDir(), Event: func(e Event) {
		if e.Note != "" {
			t.Log(e.Note)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &forks{t.Context(), s, s.kernels[keyOf(p.Builds[0])], 0}
}

func (f *forks) run(s lockdown.Setting, sequence []lockdown.Op) (answers []lockdown.Op, err error) {
	err = f.guest(s, func(port io.ReadWriter, req guestproto.Request) (err error) {
		req.Sequence = sequence
		answers, err = exchangeSequence(port, req)
		if len(answers) < len(sequence) && err != nil {
			err = fmt.Errorf("%w; next was %s", err, sequence[len(answers)])
		}
		return err
	})
	return answers, err
}

// guest forks a guest and exchanges messages with it. The request has what all
// have.
func (f *forks) guest(s lockdown.Setting, exchange func(io.ReadWriter, guestproto.Request) error) (err error) {
	config := f.kernel.machine(s, plain)
	if f.kernel.built.HasConfig("CONFIG_SMP") {
		config.CPUs = 2 // with two CPUs, writers run concurrently
	}
	ctx, cancel := context.WithTimeout(f.ctx, time.Duration(float64(cellTimeout)*config.Scale))
	defer cancel()
	var m *vm.Machine
	// One template for each kernel command line; the fork locks the rest of a
	// setting.
	if t := f.stage.template(ctx, f.kernel, part{name: "model:" + strings.Join(s.KernelArgs(), ",")}, config); t != nil {
		f.forked++
		m, err = t.Fork(ctx, config)
	} else {
		m, err = vm.Start(ctx, config)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close(context.WithoutCancel(ctx))) }()
	err = m.Exchange(ctx, func(port io.ReadWriter) error {
		return exchange(port, guestproto.Request{Version: vport.Version, Interface: f.kernel.build.Kernel.Interface, Setting: s, Scale: config.Scale})
	})
	if err != nil {
		settling, cancel := context.WithTimeout(ctx, pace.Host().Limit(settleTime))
		defer cancel()
		end := m.Wait(settling)
		return fmt.Errorf("%w; %s: %s\n%s", err, end.Cause, end.Detail, strings.Join(end.Console, "\n"))
	}
	return nil
}

// exchangeSequence runs a sequence in the guest. The answered operations must
// be those of the request.
func exchangeSequence(port io.ReadWriter, req guestproto.Request) (answers []lockdown.Op, err error) {
	if err := vport.Write(port, &req); err != nil {
		return nil, err
	}
	err = guestproto.ReadFrames(port, func(f guestproto.Frame) error {
		if f.State != nil && len(f.State.Errors) > 0 {
			return fmt.Errorf("guest: %s", f.State.Errors[0])
		}
		if f.Op == nil {
			return nil
		}
		n := len(answers)
		if n == len(req.Sequence) {
			return fmt.Errorf("guest answers more than %d operations", n)
		}
		asked := *f.Op
		if asked.Err = ""; asked.Call == "read" {
			asked.Data = ""
		}
		if asked != req.Sequence[n] {
			return fmt.Errorf("guest answers %s, which is out of order", *f.Op)
		}
		answers = append(answers, *f.Op)
		return nil
	})
	if err == nil && len(answers) != len(req.Sequence) {
		err = fmt.Errorf("guest answers %d of %d operations", len(answers), len(req.Sequence))
	}
	return answers, err
}
