package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
	"github.com/ldlab/ldlab/vm"
)

// Options say how a plan is run. The zero value works but for Out.
type Options struct {
	Out     string        // directory of results, reports and consoles
	Resume  bool          // keep what Out has of this plan
	Jobs    int           // guests at once; 0: as many as the processors and the memory bear
	Timeout time.Duration // of one guest, from boot to end; 0: 60 s times the machine's scale
	Accel   string        // tcg or kvm; empty: what the self-test says
	Cache   string        // of kernels and images; empty: kernels.DefaultCache()
	Console io.Writer     // receives the consoles of all guests as they come; nil: none
	Version string        // of the lab, for the results
	Timing  bool          // have the guests also tell how their boot went
	Boot    bool          // boot every guest, fork none

	// Event is told of every step, from several goroutines; nil: nobody is.
	Event func(Event)
}

// cellTimeout is a guest's whole life, before scaling.
const cellTimeout = 60 * time.Second

// ErrInterrupted is returned by Run where its context ended: what was measured
// until then is kept.
var ErrInterrupted = errors.New("interrupted")

// A run is a plan under way.
type run struct {
	Options
	plan   *Plan
	booted map[string]*bootable // by kernel/arch
	shell  bool                 // guests need a shell and its commands

	// guest runs one guest: boot, or what a test puts in its place.
	guest func(context.Context, matrix.Guest) matrix.Result

	mu    sync.Mutex // guards what follows
	store *store
	done  int
	total int
	got   []matrix.Result
	lost  []matrix.Guest // to be run once more, alone
	fail  error          // the store failed: nothing more can be kept
}

// Run runs a plan and returns its matrix, judged from the results file that it
// wrote. On ErrInterrupted the matrix has what was measured.
func Run(ctx context.Context, p *Plan, o Options) (*matrix.Matrix, error) {
	r := newRun(p, o)
	r.guest = r.boot
	if err := r.preflight(); err != nil {
		return nil, err
	}
	machines, err := r.prepare(ctx)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	defer r.closeTemplates()
	r.note("%s", report.Machines(machines))
	return r.measure(ctx)
}

// preflight looks, before anything is built, at what would end the run after it.
func (r *run) preflight() error {
	for _, b := range r.plan.Builds {
		if _, err := exec.LookPath(b.Arch.QEMU); err != nil {
			return fmt.Errorf("find %s: install the Debian package %s", b.Arch.QEMU, b.Arch.QEMUPackage)
		}
	}
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return fmt.Errorf("make results directory: %w", err)
	}
	if _, err := os.Stat(filepath.Join(r.Out, ResultsFile)); err == nil && !r.Resume {
		return errResultsThere(r.Out)
	}
	return nil
}

func errResultsThere(dir string) error {
	return usagef("%s has results already: continue them with --resume, or give another --out", dir)
}

func newRun(p *Plan, o Options) *run {
	r := &run{Options: o, plan: p, booted: map[string]*bootable{}}
	if r.Event == nil {
		r.Event = func(Event) {}
	}
	return r
}

// measure runs the guests and keeps what they saw.
func (r *run) measure(ctx context.Context) (*matrix.Matrix, error) {
	h := matrix.Header{
		Format: matrix.Format, Lab: r.Version, Kernels: r.records(),
		Started: time.Now().UTC().Format(time.RFC3339), Plan: r.plan.Guests, Probes: r.plan.Probes,
	}
	var err error
	if r.store, r.got, err = openStore(r.Out, h, r.Resume, r.current); err != nil {
		return nil, err
	}
	defer r.store.close()
	if err := r.guests(ctx); err != nil {
		return nil, err
	}
	m, err := Load(r.Out)
	if err == nil {
		err = writeReports(r.Out, m)
	}
	if err == nil && ctx.Err() != nil {
		err = ErrInterrupted
	}
	return m, err
}

func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

func (r *run) note(format string, args ...any) {
	r.Event(Event{Note: fmt.Sprintf(format, args...)})
}

// Load reads a run's directory, or a results file itself, into a matrix.
func Load(path string) (*matrix.Matrix, error) {
	h, results, err := readResults(path)
	if err != nil {
		return nil, err
	}
	return matrix.Build(h, results)
}

func readResults(path string) (h matrix.Header, results []matrix.Result, err error) {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		path = filepath.Join(path, ResultsFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return h, nil, fmt.Errorf("open results: %w", err)
	}
	defer f.Close()
	if h, results, err = matrix.Read(f); err != nil {
		return h, nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, results, nil
}

// guests runs every guest of the plan that has no result yet: side by side
// first, then once more and alone those that were lost.
func (r *run) guests(ctx context.Context) error {
	have := map[string]bool{}
	for _, res := range r.got {
		have[res.ID()] = true
	}
	var todo []matrix.Guest
	for _, g := range r.plan.Guests {
		if !have[g.ID()] {
			todo = append(todo, g)
		}
	}
	r.total = len(todo)
	slices.SortStableFunc(todo, func(a, b matrix.Guest) int { return urgency(b, r.plan.Probes) - urgency(a, r.plan.Probes) })
	r.each(ctx, todo, r.jobs(), 1)
	again := r.lost
	r.lost = nil
	r.each(ctx, again, 1, 2)
	return r.fail
}

// urgency orders guests. The controls come first, for without them nothing
// that was measured until an interrupt is proven. Then come those that owe the
// most denials: the kernel logs 10 of them in 5 s and the guest waits its turn,
// so these take longest, and the run should not end with one of them alone.
func urgency(g matrix.Guest, probes []string) int {
	if g.Setting.Level == lockdown.None && len(g.Setting.Reasons) == 0 {
		return len(probes) + 1
	}
	n := 0
	for _, id := range probes {
		if row, ok := scenarios.Find(id); ok && row.On(g.Arch) && row.Expect == scenarios.Checked && g.Setting.Locks(row.Reason) {
			n++
		}
	}
	return n
}

// each runs guests, so many at once, and returns when all have ended.
func (r *run) each(ctx context.Context, guests []matrix.Guest, jobs, try int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan matrix.Guest)
	var wg sync.WaitGroup
	for range min(jobs, len(guests)) {
		wg.Go(func() {
			for g := range queue {
				start := time.Now()
				res := r.guest(ctx, g)
				res.Tries = try
				if !r.ended(ctx, res, time.Since(start)) {
					cancel()
				}
			}
		})
	}
	for _, g := range guests {
		select {
		case queue <- g:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
}

// ended takes a guest's result; false where nothing more can be kept.
func (r *run) ended(ctx context.Context, res matrix.Result, took time.Duration) bool {
	if ctx.Err() != nil {
		return false // cut short by us: no result, it runs again on --resume
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if res.End.Lost() && res.Tries == 1 {
		r.lost = append(r.lost, res.Guest)
		r.note("%s: lost (%s), once more alone at the end", res.ID(), res.End)
		return true
	}
	if res.End.Lost() && !vm.Cause(res.End.Cause).Guest() {
		res.End.Ending = matrix.FailedByLab // the host's fault, twice
	}
	if err := r.store.add(res); err != nil {
		r.fail = err
		return false
	}
	r.done++
	r.Event(Event{Guest: &GuestEvent{Guest: res.Guest, Done: r.done, Total: r.total, Took: took, Outcome: outcome(res)}})
	return true
}

func outcome(res matrix.Result) string {
	switch {
	case !res.End.Well():
		return fmt.Sprintf("%s: %s", res.End.Ending, res.End)
	}
	return fmt.Sprintf("%d probes", len(res.Observations()))
}

// How many guests run at once for each processor. On kernels that count their
// checks a guest works all the time, and two hide each other's waits for the
// host; where only the log is evidence, guests that owe denials mostly wait for
// it. HACKING.md has the measurements.
const (
	busyJobs    = 2
	waitingJobs = 4
)

// jobs is how many guests run at once; each needs its memory and QEMU's own.
func (r *run) jobs() int {
	if r.Jobs > 0 {
		return r.Jobs
	}
	per := busyJobs
	for _, b := range r.booted {
		if len(b.sites.Present) == 0 {
			per = waitingJobs
		}
	}
	jobs := per * runtime.GOMAXPROCS(0)
	if free := availableMemory(); free > 0 {
		jobs = min(jobs, int(free/guestCost))
	}
	return max(1, jobs)
}

// writeReports keeps the matrix in every format beside the results.
func writeReports(dir string, m *matrix.Matrix) error {
	for _, f := range report.Formats() {
		if err := writeReport(filepath.Join(dir, f.File), f, m); err != nil {
			return err
		}
	}
	return nil
}

func writeReport(path string, format report.Format, m *matrix.Matrix) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	err = format.Write(f, m)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write report %s: %w", path, err)
	}
	return nil
}
