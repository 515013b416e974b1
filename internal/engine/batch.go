package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ldlab/ldlab/internal/hostmem"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// A batch runs the guests of a stage and stores their results, one file for
// everything that a verb measures.
type batch struct {
	stage *Stage
	store store
	run   func(context.Context, job) matrix.Result // Stage.guest, or a replacement in tests
	ended func(matrix.Result) string               // one line on how a guest ended, for the user

	mu    sync.Mutex // guards the fields below
	have  map[string]bool
	done  int
	total int
	again []job // lost; each runs once more, alone
	fail  error // the store failed, or there is nothing to test: nothing more can be kept
}

// A store keeps results: a results.Store.
type store interface {
	Add(matrix.Result) error
	Close()
}

// openBatch opens the results of the stage's plan: new ones, or existing ones
// to resume.
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
	for _, r := range slices.Concat(kept.Results, kept.Again, kept.Mutants) {
		b.have[resultID(r)] = true
	}
	return b, nil
}

func (b *batch) close() { b.store.Close() }

// load reads the stored results back: verdicts depend on the file alone.
func (b *batch) load() (*results.Set, error) { return results.Load(b.stage.options.Out) }

// planned returns a job for each guest of the plan. Controls come first,
// because after an interrupt nothing is proven without them. Guests with the
// most expected denials come next: if the kernel does not count checks, they
// wait for the log's limit of 10 lines in 5 s, take longest, and should not run
// alone at the end.
func (b *batch) planned() (jobs []job) {
	p := b.stage.plan
	for _, g := range p.Guests {
		if k := b.stage.of(g); k != nil && len(k.record.Reasons.Beyond(g.Setting)) > 0 {
			continue // the kernel cannot lock what it does not have; its cells are unavailable
		}
		jobs = append(jobs, job{guest: g, probes: g.Probes(p.Probes)})
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

// do runs the jobs without a result: first in parallel, then once more, alone,
// those whose guest was lost. It returns the store's error; if ctx ended, the
// results until then are stored.
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

// each runs up to n jobs at once and returns when all have ended.
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

// keep stores a guest's result, or queues the job to run again. It returns
// false if no more results can be stored.
func (b *batch) keep(ctx context.Context, j job, res matrix.Result, took time.Duration) bool {
	if ctx.Err() != nil {
		return false // interrupted by the lab: no result, it runs again on --resume
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	res.Tries = j.try
	// A lost guest has a cause and runs again, even if the guest is to blame,
	// because the load of other guests may be the cause.
	err := unfit(res)
	if err == nil && res.End.Cause != "" && j.try == 1 && !j.again {
		b.again = append(b.again, j)
		b.stage.note("%s: %s (%s); it runs once more, alone, at the end", j.id(), res.End.Ending, res.End)
		return true
	}
	if err == nil {
		err = b.store.Add(res)
	}
	if err != nil {
		b.fail = err
		return false
	}
	b.done++
	b.stage.feed.Emit(Event{Guest: &GuestEvent{Guest: res.Guest, Mutant: res.Mutant, Done: b.done, Total: b.total, Took: took, Outcome: b.ended(res)}})
	return true
}

func outcome(res matrix.Result) string {
	if !res.End.Well() {
		return fmt.Sprintf("%s: %s", res.End.Ending, res.End)
	}
	return words.Count(len(res.Observations()), "probe")
}

// Guests at once per processor. If the kernel counts checks, guests never wait,
// and two per processor overlap their waits for the host. If only the log is
// evidence, guests mostly wait for its rate limit. HACKING.md has the
// measurements.
const (
	busyJobs    = 2
	waitingJobs = 4
)

// jobs is the number of guests at once: the option, or what processors and
// memory allow.
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
	machines := int64(1) // of a guest at once
	if per == waitingJobs {
		machines = maxPortions
	}
	if free := hostmem.Available(); free > 0 {
		jobs = min(jobs, int(free/(machines*s.guestCost())))
	}
	return max(1, jobs)
}

// guestCost is the host memory of one guest in bytes: the RAM of its largest
// machine, and QEMU with its translation cache.
func (s *Stage) guestCost() int64 {
	mib := s.memoryMiB()
	if !s.options.Boot {
		mib += s.workers(part{}) * workerMiB
	}
	return int64(mib+qemuMiB) << 20
}

// memoryMiB is the RAM of the largest guest that boots, in MiB.
func (s *Stage) memoryMiB() int {
	mib := baseMiB
	for _, k := range s.kernels {
		mib = max(mib, k.memoryMiB())
	}
	return mib
}

// qemuMiB is QEMU's memory in addition to the guest's RAM, in MiB: its data and
// the translation cache as guests fill it.
const qemuMiB = 256
