package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// A job is one guest to run: with every probe of the plan, or with those that
// can detect a mutant.
type job struct {
	guest  matrix.Guest
	probes []string
	mutant mutation
	try    int  // counts from 1
	again  bool // see matrix.Result.Again
}

// id names the job's result in a run.
func (j job) id() string {
	return resultID(matrix.Result{Guest: j.guest, Mutant: j.mutant.command, Again: j.again})
}

// resultID names a result in a run.
func resultID(r matrix.Result) string {
	id := r.ID()
	if r.Again {
		id += " again"
	}
	return strings.TrimSpace(id + " " + r.Mutant)
}

// parts are the job's machines. With a mutant, they are only those in which a
// probe runs.
func (j job) parts(k *kernel) (parts []part) {
	for _, p := range partsOf(j.probes, k.build.Arch) {
		if j.mutant.command != "" && len(p.probes) == 0 {
			continue
		}
		p.mutant = j.mutant
		parts = append(parts, p)
	}
	return parts
}

// guest runs one guest: each of the machines that its probes need; see machines.
// Every error is part of the result.
func (s *Stage) guest(ctx context.Context, j job) matrix.Result {
	k := s.of(j.guest)
	res := matrix.Result{Guest: j.guest, Mutant: j.mutant.command, Host: k.host, Origin: k.record.Origin, Tries: j.try, Again: j.again}
	parts := j.parts(k)
	// Make templates first: this guest's deadline does not include that.
	for _, p := range parts {
		if s.forkable(j.guest, p) {
			s.makeTemplate(ctx, k, p, s.forkConfig(p, s.config(k, j.guest, p)))
		}
	}
	parts = divided(k, j.guest, parts)
	stop, end := s.shareBoots(ctx, k, j.guest, parts)
	defer stop()
	if !end.Well() {
		res.End = end
		return res
	}
	// One deadline for all of the guest's machines.
	talking, cancel := context.WithTimeout(ctx, s.limit(k))
	defer cancel()
	res.Machines, res.End = s.machines(ctx, talking, k, j, parts)
	return res
}

// limit is the deadline of a guest with all of its machines.
func (s *Stage) limit(k *kernel) time.Duration {
	if s.options.Timeout > 0 {
		return s.options.Timeout
	}
	return time.Duration(float64(cellTimeout) * k.scale())
}

// machine runs one machine of a guest: it locks the setting, runs the probes,
// and returns the observations and the end. talking is the guest's own deadline
// within ctx.
func (s *Stage) machine(ctx, talking context.Context, k *kernel, j job, p part) (run matrix.MachineRun, end matrix.End) {
	run.Profile = p.name
	start := time.Now()
	m, forked, err := s.start(ctx, k, j.guest, p)
	if err != nil {
		return run, failed(err, "")
	}
	run.Command, run.Forked = m.CommandLine(), forked
	stop := p.profile.start(talking, m, k.scale())
	var first time.Time
	req := request(j.guest, p.probes, k.scale(), s.options.Timing)
	req.Mutant = p.mutant.later()
	err = m.Exchange(talking, func(port io.ReadWriter) (err error) {
		first, err = exchange(port, req, &run)
		return err
	})
	end = ending(ctx, talking, m, j.guest, run, err)
	run.Timing = timing(m.Phases(), marks(run), first.Sub(start), time.Since(start))
	if !end.Well() && s.options.Out != "" {
		if end.Log, err = keepConsole(m, s.options.Out, j, p); err != nil {
			s.note("%s: %v", j.id(), err)
		}
	}
	if err := m.Close(context.WithoutCancel(ctx)); err != nil && end.Well() {
		end = failed(err, run.Command)
	}
	stop()
	return run, end
}

// ending determines how a machine ended, after the exchange with it returned
// err.
func ending(ctx, talking context.Context, m *vm.Machine, g matrix.Guest, run matrix.MachineRun, err error) matrix.End {
	var unable *guestproto.AbortError
	switch {
	case errors.As(err, &unable):
		return failed(err, run.Command) // the guest is alive, but its setting is wrong
	case err != nil:
		// The machine may have died of the same cause. Give it a moment to end,
		// so that a panic is not reported as silence.
		settling, cancel := context.WithTimeout(ctx, pace.Host().Limit(settleTime))
		defer cancel()
		return lost(m.Wait(settling), err, run.Command)
	}
	if err := checkStates(run); err != nil {
		return failed(err, run.Command)
	}
	if end := m.PowerOff(talking); end.Cause != vm.PoweredOff {
		return lost(end, fmt.Errorf("power off: %s", end.Cause), run.Command)
	}
	return matrix.End{}
}

// settleTime is the time that a silent guest has to end, on a host of pace 1.
const settleTime = 3 * time.Second

// failed is an end by the lab's or its host's fault.
func failed(err error, command string) matrix.End {
	return matrix.End{Ending: matrix.FailedByLab, Detail: err.Error(), Command: command}
}

// lost is the end of a guest that did not power off. If QEMU failed or was
// killed, the cause shows that, and the guest is not to blame.
func lost(end vm.End, cause error, command string) matrix.End {
	detail := end.Detail
	if end.Cause != vm.Panicked {
		if detail = cause.Error(); !strings.Contains(detail, end.Detail) {
			detail += "; " + end.Detail
		}
	}
	e := matrix.End{Ending: matrix.LostByGuest, Cause: string(end.Cause), Detail: detail, Console: end.Console, Command: command}
	if !end.Cause.Guest() {
		e.Ending = matrix.FailedByLab
	}
	return e
}

func request(g matrix.Guest, probes []string, scale float64, timing bool) guestproto.Request {
	req := guestproto.Request{Version: vport.Version, Interface: g.Interface, Setting: g.Setting, Scale: scale, Timing: timing, ActsOnly: g.ActsOnly, Steps: g.Steps}
	for _, id := range plan.Order(g, probes) {
		if row, ok := scenarios.Find(id); ok && row.On(g.Arch) {
			req.Probes = append(req.Probes, id)
		}
	}
	return req
}

// exchange sends the request and stores the guest's reports. first is the time
// of the first answer.
func exchange(port io.ReadWriter, req guestproto.Request, run *matrix.MachineRun) (first time.Time, err error) {
	if err := vport.Write(port, &req); err != nil {
		return first, err
	}
	err = guestproto.ReadFrames(port, func(f guestproto.Frame) error {
		n := len(run.Observations)
		switch {
		case f.State != nil && len(run.States) < maxStates:
			run.States = append(run.States, *f.State)
		case f.Observation != nil && (n == len(req.Probes) || f.Observation.Probe != req.Probes[n]):
			return fmt.Errorf("guest reports %.80q, which is out of order", f.Observation.Probe)
		case f.Observation != nil:
			if n == 0 {
				first = time.Now()
			}
			run.Observations = append(run.Observations, *f.Observation)
		case f.Varied != nil:
			i := slices.IndexFunc(run.Observations, func(o scenarios.Observation) bool { return o.Probe == f.Varied.Probe })
			if i < 0 || run.Observations[i].Variants != nil {
				return fmt.Errorf("guest reports variants of %.80q, which are out of order", f.Varied.Probe)
			}
			run.Observations[i].Variants = f.Varied.Variants
		case f.Left != nil:
			i := slices.IndexFunc(run.Observations, func(o scenarios.Observation) bool { return o.Probe == f.Left.Probe })
			if i < 0 || len(run.Observations[i].Left) > maxLeft {
				return fmt.Errorf("guest reports what %.80q left behind, which is out of order", f.Left.Probe)
			}
			run.Observations[i].Left = append(run.Observations[i].Left, f.Left.Left...)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("run probes: %w after %d of %d", err, len(run.Observations), len(req.Probes))
	}
	return first, err
}

// maxLeft bounds what is kept of what one probe left behind: more than the guest
// sends at once.
const maxLeft = 16

// maxStates bounds the number of states kept of a guest.
const maxStates = 8

// consoleName is the file that keeps the console of a machine that failed,
// relative to the run's directory.
func consoleName(j job, p part) string {
	words := strings.Join([]string{j.id(), p.name}, " ")
	words = strings.Map(func(r rune) rune { // GitHub takes no artifact with : or * in a name
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._@-", r) {
			return r
		}
		return '-'
	}, strings.TrimSpace(words))
	return filepath.Join("consoles", fmt.Sprintf("%s-try%d.log", words, j.try))
}

// keepConsole copies the console of a failed machine to the results and returns
// its file name there. Each machine and each try has its own file.
func keepConsole(m *vm.Machine, out string, j job, p part) (string, error) {
	text, err := os.ReadFile(m.ConsolePath())
	if err != nil {
		return "", fmt.Errorf("keep console: %w", err)
	}
	name, err := results.WriteNew(out, consoleName(j, p), text)
	if err != nil {
		return "", fmt.Errorf("keep console: %w", err)
	}
	return name, nil
}
