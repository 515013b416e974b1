package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/internal/wire"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// boot runs one guest: each of the machines that its probes need, one after
// the other. Whatever goes wrong is part of the result.
func (r *run) boot(ctx context.Context, g matrix.Guest) matrix.Result {
	b := r.booted[g.Kernel+"/"+g.Arch]
	res := matrix.Result{Guest: g, Host: b.host, Origin: b.origin}
	for _, p := range parts(r.plan.Probes, b.build.Arch) {
		run, end := r.bootPart(ctx, b, g, p)
		res.Machines = append(res.Machines, run)
		if res.End = end; !end.Well() {
			break
		}
	}
	return res
}

// bootPart boots one machine, has it lock what is asked for and run its
// probes, and returns what it saw and how it ended.
func (r *run) bootPart(ctx context.Context, b *bootable, g matrix.Guest, p part) (run matrix.MachineRun, end matrix.End) {
	run.Profile = p.name
	config := b.machine(g.Setting, r.Console)
	p.variant.apply(b, &config)
	config.Append = append(config.Append, p.mutantArgs()...)
	limit := r.Timeout
	if limit == 0 {
		limit = time.Duration(float64(cellTimeout) * config.Scale)
	}
	talking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	m, forked, err := r.start(ctx, b, g, p, config)
	if err != nil {
		return run, failed(err, "")
	}
	run.Command, run.Forked = m.CommandLine(), forked
	stop := p.variant.attend(talking, m)
	var first time.Time
	req := request(g, p.probes, config.Scale, r.Timing)
	req.Mutant = p.mutantLater()
	err = m.Exchange(talking, func(port io.ReadWriter) (err error) {
		first, err = exchange(port, req, &run)
		return err
	})
	end = r.ending(ctx, talking, m, g, run, err)
	run.Timing = timing(m.Phases(), marks(run), first.Sub(start), time.Since(start))
	if !end.Well() {
		if err := keepConsole(m, r.Out, g); err != nil {
			r.note("%s: %v", g.ID(), err)
		}
	}
	if err := m.Close(context.WithoutCancel(ctx)); err != nil && end.Well() {
		end = failed(err, run.Command)
	}
	stop()
	return run, end
}

// ending finds out how a machine ended after the talk with it ended with err.
func (r *run) ending(ctx, talking context.Context, m *vm.Machine, g matrix.Guest, run matrix.MachineRun, err error) matrix.End {
	var unable *wire.GuestError
	switch {
	case errors.As(err, &unable):
		return failed(err, run.Command) // alive and well, but not in the setting
	case err != nil:
		// The machine knows why the talk ended: it may have died of it, and
		// gets a moment for that, so that no panic is taken for silence.
		settling, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		return lost(m.Wait(settling), err, run.Command)
	}
	if err := checkStates(g, run); err != nil {
		return failed(err, run.Command)
	}
	if end := m.PowerOff(talking); end.Cause != vm.PoweredOff {
		return lost(end, fmt.Errorf("power off: %s", end.Cause), run.Command)
	}
	return matrix.End{}
}

// settleTime is how long a guest that stopped talking may take to end.
const settleTime = 3 * time.Second

// failed is the end of a guest by the lab's or its host's fault.
func failed(err error, command string) matrix.End {
	return matrix.End{Ending: matrix.FailedByLab, Detail: err.Error(), Command: command}
}

// lost is the end of a guest that did not power off.
func lost(end vm.End, cause error, command string) matrix.End {
	detail := end.Detail
	if end.Cause != vm.Panicked {
		detail = strings.TrimSuffix(cause.Error()+"; "+end.Detail, "; ")
	}
	return matrix.End{Ending: matrix.LostByGuest, Cause: string(end.Cause), Detail: detail, Console: end.Console, Command: command}
}

func request(g matrix.Guest, probes []string, scale float64, timing bool) wire.Request {
	req := wire.Request{Version: vport.Version, Interface: g.Interface, Setting: g.Setting, Scale: scale, Timing: timing}
	for _, id := range probes {
		if row, ok := scenarios.Find(id); ok && row.On(g.Arch) {
			req.Probes = append(req.Probes, id)
		}
	}
	return req
}

// exchange has the guest do its work, fills in what it reports, and says when
// the first probe answered.
func exchange(port io.ReadWriter, req wire.Request, run *matrix.MachineRun) (first time.Time, err error) {
	if err := vport.Write(port, &req); err != nil {
		return first, err
	}
	err = wire.ReadFrames(port, func(f wire.Frame) error {
		n := len(run.Observations)
		switch {
		case f.State != nil && len(run.States) < maxStates:
			run.States = append(run.States, *f.State)
		case f.Observation != nil && (n == len(req.Probes) || f.Observation.Probe != req.Probes[n]):
			return fmt.Errorf("guest reports %.80q, which was not next", f.Observation.Probe)
		case f.Observation != nil:
			if n == 0 {
				first = time.Now()
			}
			run.Observations = append(run.Observations, *f.Observation)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("run probes: %w after %d of %d", err, len(run.Observations), len(req.Probes))
	}
	return first, err
}

// maxStates bounds what is kept of a guest's accounts of itself.
const maxStates = 8

// keepConsole copies the console of a guest that failed to where the results are.
func keepConsole(m *vm.Machine, out string, g matrix.Guest) error {
	dir := filepath.Join(out, "consoles")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep console: %w", err)
	}
	text, err := os.ReadFile(m.ConsolePath())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(g.ID(), "/", "-")+".log"), text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep console: %w", err)
	}
	return nil
}
