package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A batch runs the guests of a stage and stores their results, one file for
// everything that a verb measures.
type batch struct {
	stage *Stage
	store store
	run   func(context.Context, job) matrix.Result // Stage.guest, or what a test puts in its place
	ended func(matrix.Result) string               // one line on how a guest ended, for the user

	mu    sync.Mutex // guards what follows
	have  map[string]bool
	done  int
	total int
	again []job // lost, to be run once more and alone
	fail  error // the store failed: nothing more can be kept
}

// A store keeps results: a results.Store.
type store interface {
	Add(matrix.Result) error
	Close()
}

// openBatch opens the results of the stage's plan: new ones, or, to resume,
// those that are there.
func openBatch(s *Stage) (*batch, error) {
	h := matrix.Header{
		Format: matrix.Format, Lab: s.options.Version, Started: time.Now().UTC().Format(time.RFC3339),
		Digest: s.plan.Digest(), Plan: s.plan.Guests, Probes: s.plan.Probes, Rows: matrix.RowsDigest(s.plan.Probes), Kernels: s.records(),
	}
	dropped := 0
	store, kept, err := results.Open(s.options.Out, h, s.options.Resume, func(r matrix.Result) bool {
		if s.current(r) {
			return true
		}
		dropped++
		return false
	})
	if err != nil {
		return nil, err
	}
	if dropped > 0 {
		s.note("%d earlier results are not kept: they failed, or are of another kernel, guest program, QEMU, CPU model or accelerator", dropped)
	}
	if store.Replaced != "" {
		s.note("the earlier results are in %s", store.Replaced)
	}
	b := &batch{stage: s, store: store, run: s.guest, ended: outcome, have: map[string]bool{}}
	for _, r := range slices.Concat(kept.Results, kept.Mutants) {
		b.have[resultID(r)] = true
	}
	return b, nil
}

func (b *batch) close() { b.store.Close() }

// load reads back what was stored: verdicts depend on the file alone.
func (b *batch) load() (*results.Set, error) { return results.Load(b.stage.options.Out) }

// planned is a job for each guest of the plan. The controls come first, because
// nothing that was measured before an interrupt is proven without them. Then
// come guests in which the most denials are expected: on a kernel that does not
// count, the log prints 10 of them in 5 s and the guest waits its turn, so these
// take longest, and the run should not end with one of them alone.
func (b *batch) planned() (jobs []job) {
	p := b.stage.plan
	for _, g := range p.Guests {
		jobs = append(jobs, job{guest: g, probes: p.Probes})
	}
	slices.SortStableFunc(jobs, func(x, y job) int { return y.urgency() - x.urgency() })
	return jobs
}

func (j job) urgency() (n int) {
	if j.guest.Setting.Level == lockdown.None && len(j.guest.Setting.Reasons) == 0 {
		return len(j.probes) + 1
	}
	for _, id := range j.probes {
		if row, ok := scenarios.Find(id); ok && row.On(j.guest.Arch) && row.Expect == scenarios.Checked && j.guest.Setting.Locks(row.Reason) {
			n++
		}
	}
	return n
}

// do runs the jobs that have no result yet: side by side first, then once more
// and alone those whose guest was lost. It returns the store's error; if ctx
// ended, what was measured until then is stored.
func (b *batch) do(ctx context.Context, jobs []job) error {
	var todo []job
	for _, j := range jobs {
		if !b.have[j.id()] {
			todo = append(todo, j)
		}
	}
	b.done, b.total, b.again = 0, len(todo), nil
	b.each(ctx, todo, b.stage.jobs(), 1)
	again := b.again
	b.again = nil
	b.each(ctx, again, 1, 2)
	return b.fail
}

// each runs jobs, so many at once, and returns when all have ended.
func (b *batch) each(ctx context.Context, jobs []job, atOnce, try int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan job)
	var wg sync.WaitGroup
	for range min(atOnce, len(jobs)) {
		wg.Go(func() {
			for j := range queue {
				j.try = try
				start := time.Now()
				res := b.run(ctx, j)
				if !b.keep(ctx, j, res, time.Since(start)) {
					cancel()
				}
			}
		})
	}
	for _, j := range jobs {
		select {
		case queue <- j:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
}

// keep stores a guest's result, or has it run again. It returns false if nothing
// more can be stored.
func (b *batch) keep(ctx context.Context, j job, res matrix.Result, took time.Duration) bool {
	if ctx.Err() != nil {
		return false // cut short by the lab: no result, it runs again on --resume
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	res.Tries = j.try
	// A machine that ended in the wrong way has a cause. It is tried again
	// whoever is to blame, because the load of the other guests may be.
	if res.End.Cause != "" && j.try == 1 {
		b.again = append(b.again, j)
		b.stage.note("%s: %s (%s); it runs once more, alone, at the end", j.id(), res.End.Ending, res.End)
		return true
	}
	if err := b.store.Add(res); err != nil {
		b.fail = err
		return false
	}
	b.done++
	b.stage.feed.emit(Event{Guest: &GuestEvent{Guest: res.Guest, Mutant: res.Mutant, Done: b.done, Total: b.total, Took: took, Outcome: b.ended(res)}})
	return true
}

func outcome(res matrix.Result) string {
	if !res.End.Well() {
		return fmt.Sprintf("%s: %s", res.End.Ending, res.End)
	}
	return fmt.Sprintf("%d probes", len(res.Observations()))
}

// How many guests run at once for each processor. On kernels that count their
// checks a guest works all the time, and two hide each other's waits for the
// host. If only the log is evidence, guests mostly wait for its rate limit.
// HACKING.md has the measurements.
const (
	busyJobs    = 2
	waitingJobs = 4
)

// jobs is how many guests run at once: what was asked for, or what processors
// and memory allow.
func (s *Stage) jobs() int {
	if s.options.Jobs > 0 {
		return s.options.Jobs
	}
	per := busyJobs
	for _, k := range s.kernels {
		if !k.counts() {
			per = waitingJobs
		}
	}
	jobs := per * runtime.GOMAXPROCS(0)
	if free := availableMemory(); free > 0 {
		jobs = min(jobs, int(free/s.guestCost()))
	}
	return max(1, jobs)
}

// guestCost is what one guest takes of the host's memory, in bytes: the RAM of
// the largest machine that it may have, and QEMU with its translation cache.
func (s *Stage) guestCost() int64 {
	mib := baseMiB
	if !s.options.Boot {
		mib += s.workers(part{}) * workerMiB
	}
	return int64(mib+qemuMiB) << 20
}

// qemuMiB is what QEMU takes besides the guest's RAM, in MiB: its own data and
// the translation cache as far as guests fill it.
const qemuMiB = 256
