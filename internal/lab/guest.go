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
	res := matrix.Result{Guest: g, Origin: b.origin, Config: b.config}
	for _, p := range parts(r.plan.Probes, b.build.Arch) {
		one := matrix.Result{Guest: g}
		r.bootPart(ctx, b, p, &one)
		add(&res, one, p)
		if res.Lost != nil || res.Error != "" {
			break
		}
	}
	inOrder(res.Observations, r.plan.Probes)
	return res
}

// bootPart boots one machine, has it lock what is asked for and run its
// probes, and fills in what it saw.
func (r *run) bootPart(ctx context.Context, b *bootable, p part, res *matrix.Result) {
	g := res.Guest
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
		res.Error = err.Error()
		return
	}
	res.Command, res.Forked = m.CommandLine(), forked
	stop := p.variant.attend(talking, m)
	var first time.Time
	req := request(g, p.probes, config.Scale, r.Timing)
	req.Mutant = p.mutantLater()
	err = m.Exchange(talking, func(port io.ReadWriter) (err error) {
		first, err = exchange(port, req, res)
		return err
	})
	b.nameCalls(res)
	var unable *wire.GuestError
	switch {
	case errors.As(err, &unable):
		res.Error = err.Error() // alive and well, but not in the setting
	case err != nil:
		// Why the talk ended is the machine's to say: it may have died of it,
		// and gets a moment for that, so that no panic is taken for silence.
		settling, cancel := context.WithTimeout(ctx, settleTime)
		defer cancel()
		lose(res, m.Wait(settling), err)
	default:
		if err := checkStates(*res); err != nil {
			res.Error = err.Error()
		}
		if end := m.PowerOff(talking); end.Cause != vm.PoweredOff {
			lose(res, end, fmt.Errorf("power off: %s", end.Cause))
		}
	}
	res.Timing = timing(m.Phases(), marks(*res), first.Sub(start), time.Since(start))
	if res.Lost != nil || res.Error != "" {
		if err := keepConsole(m, r.Out, g); err != nil {
			r.note("%s: %v", g.ID(), err)
		}
	}
	if err := m.Close(context.WithoutCancel(ctx)); err != nil && res.Lost == nil && res.Error == "" {
		res.Error = err.Error()
	}
	stop()
}

// settleTime is how long a guest that stopped talking may take to end.
const settleTime = 3 * time.Second

// lose records a guest that did not come to its end.
func lose(res *matrix.Result, end vm.End, cause error) {
	detail := end.Detail
	if end.Cause != vm.Panicked {
		detail = strings.TrimSuffix(cause.Error()+"; "+end.Detail, "; ")
	}
	res.Lost = &matrix.Loss{Cause: string(end.Cause), Detail: detail, Console: end.Console}
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
func exchange(port io.ReadWriter, req wire.Request, res *matrix.Result) (first time.Time, err error) {
	if err := vport.Write(port, &req); err != nil {
		return first, err
	}
	err = wire.ReadFrames(port, func(f wire.Frame) error {
		n := len(res.Observations)
		switch {
		case f.State != nil && len(res.States) < maxStates:
			res.States = append(res.States, *f.State)
		case f.Observation != nil && (n == len(req.Probes) || f.Observation.Probe != req.Probes[n]):
			return fmt.Errorf("guest reports %.80q, which was not next", f.Observation.Probe)
		case f.Observation != nil:
			if n == 0 {
				first = time.Now()
			}
			res.Observations = append(res.Observations, *f.Observation)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("run probes: %w after %d of %d", err, len(res.Observations), len(req.Probes))
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
