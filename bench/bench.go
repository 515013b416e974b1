package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// A bench is a running benchmark.
type bench struct {
	options
	cache   string // the lab's
	dir     string // for temporary files
	machine Machine
	log     io.Writer    // for the user who waits
	warm    func() error // called before each short sample; nil: nothing is called
	closers []func()
	peered  *peersKernel // made when the first peer needs it
}

// options are the flags.
type options struct {
	rounds int
	limit  time.Duration // of all samples: a round of whole runs that would not fit is left out
	cold   bool
	peers  string // directory; empty: in the cache
}

func newBench(o options, log io.Writer) (*bench, error) {
	cache, err := kernels.DefaultCache()
	if err != nil {
		return nil, err
	}
	if o.peers == "" {
		o.peers = filepath.Join(cache, "bench", "peers")
	}
	if o.peers, err = filepath.Abs(o.peers); err != nil {
		return nil, fmt.Errorf("find peers: %w", err)
	}
	dir, err := os.MkdirTemp("", "ldlab-bench-")
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	return &bench{options: o, cache: cache, dir: dir, machine: thisMachine(), log: log, warm: warm}, nil
}

// close closes the subjects and removes temporary files.
func (b *bench) close() error {
	for _, c := range slices.Backward(b.closers) {
		c()
	}
	return os.RemoveAll(b.dir)
}

// onClose registers a function to call when the benchmark ends.
func (b *bench) onClose(do func()) { b.closers = append(b.closers, do) }

// run measures subjects, phase by phase.
func (b *bench) run(ctx context.Context, list []subject) (*Results, error) {
	r := &Results{Format: Format, Date: time.Now().UTC().Format(time.RFC3339), Rounds: b.rounds}
	samplers := make([]sampler, len(list))
	for i, s := range list {
		r.Measures = append(r.Measures, Measure{ID: s.id, Title: s.title, Unit: s.unit})
		fmt.Fprintf(b.log, "%s: getting ready\n", s.id)
		var err error
		if samplers[i], err = s.open(ctx, b); err != nil {
			b.missing(&r.Measures[i], err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	start := time.Now()
	for now := range phases {
		for round := range b.rounds {
			began := time.Now()
			for turn := range maxTurns {
				for i, s := range list {
					if s.phase != now || turn >= max(1, s.turns) || samplers[i] == nil || s.most > 0 && round >= s.most {
						continue
					}
					if now == short {
						b.getWarm()
					}
					if !b.sample(ctx, samplers[i], &r.Measures[i], round) {
						samplers[i] = nil // the samples that it has stay, and prove nothing
					}
					if ctx.Err() != nil {
						return nil, context.Cause(ctx)
					}
				}
			}
			// The next round of whole runs will take as long as this one.
			if now == whole && time.Since(start)+time.Since(began) > b.limit {
				break
			}
		}
	}
	r.Machine = b.machine
	return r, nil
}

// getWarm does without where memory is short.
func (b *bench) getWarm() {
	if b.warm == nil {
		return
	}
	if err := b.warm(); err != nil {
		fmt.Fprintln(b.log, err)
		b.warm = nil
	}
}

// sample takes one sample; it returns false if that is not possible any more.
// Each round takes samples of every subject in turns, so that other load on the
// machine affects all of them alike.
func (b *bench) sample(ctx context.Context, take sampler, m *Measure, round int) bool {
	v, err := take(ctx)
	if ctx.Err() != nil {
		return false // interrupted: no fault of the subject
	}
	if err != nil {
		b.missing(m, err)
		return false
	}
	m.add(v)
	fmt.Fprintf(b.log, "round %d of %d, %s: %s %s\n", round+1, b.rounds, m.ID, number(v), m.Unit)
	return true
}

// missing records in one line why there is no measure.
func (b *bench) missing(m *Measure, err error) {
	m.Missing = strings.Join(strings.Fields(err.Error()), " ")
	if len(m.Missing) > maxWhy {
		m.Missing = strings.ToValidUTF8(m.Missing[:maxWhy], "") + "..."
	}
	fmt.Fprintf(b.log, "%s: not measured: %s\n", m.ID, m.Missing)
}

// maxWhy is how much of an error is kept, in bytes.
const maxWhy = 400

// sawMachines records the hosts of a plan's guests.
func (b *bench) sawMachines(list []matrix.Host) {
	for _, m := range list {
		if !slices.ContainsFunc(b.machine.Guests, func(o matrix.Host) bool { return o.Arch == m.Arch }) {
			b.machine.Guests = append(b.machine.Guests, m)
		}
	}
}

// carry takes measures from an earlier run on the same machine if this run did
// not measure them, with their date: a cold build takes longer than all the
// rest.
func (r *Results) carry(earlier *Results, ids ...string) {
	if earlier == nil || earlier.Machine.CPU != r.Machine.CPU || earlier.Machine.Cores != r.Machine.Cores {
		return
	}
	for _, id := range ids {
		m, old := r.Measure(id), earlier.Measure(id)
		if m == nil || old == nil || len(m.Samples) > 0 || len(old.Samples) == 0 {
			continue
		}
		date := old.Date
		if date == "" {
			date = earlier.Date
		}
		m.Samples, m.Median, m.Missing, m.Date = old.Samples, old.Median, "", date
	}
}
