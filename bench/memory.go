package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/plan"
)

// watchEvery is the interval at which a fork's memory is measured: it lives for
// some seconds.
const watchEvery = 20 * time.Millisecond

// A weight is the memory that a process has for itself, in bytes. Pages of the
// template that it merely reads are not its own, though smaps calls them private
// while no other fork has them mapped.
type weight struct {
	at  time.Time
	ram int64 // guest's pages that were written, and so copied
	all int64 // that, and what QEMU needs for itself
}

const mebi = 1 << 20

// A weighing is the memory of one fork during its life, shared by the subjects
// that use it.
type weighing struct {
	first weight // the last before its first answer
	most  weight // each number when it is most
}

// forkWeighed measures a fork's memory while it runs every probe, returns the
// value of, and keeps the weighing for other subjects.
func forkWeighed(sel plan.Selection, w *weighing, of func(*weighing) int64) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		if err != nil {
			return nil, err
		}
		_, err = answer(ctx, s, g, false)
		return func(ctx context.Context) (float64, error) {
			watched, done := make(chan []weight), make(chan struct{})
			go func() { watched <- watchForks(done) }()
			start := time.Now()
			took, err := answer(ctx, s, g, false)
			close(done)
			*w = weigh(<-watched, start.Add(took))
			if err == nil && w.first.all == 0 {
				err = errors.New("weigh fork: none was seen among our children before its first answer")
			}
			return float64(of(w)) / mebi, err
		}, err
	}
}

// weighedBefore returns another value of the weighing that forkWeighed kept.
func weighedBefore(w *weighing, of func(*weighing) int64) func(context.Context, *bench) (sampler, error) {
	return func(context.Context, *bench) (sampler, error) {
		return func(context.Context) (float64, error) {
			if w.most.all == 0 {
				return 0, errors.New("weigh fork: it was not")
			}
			return float64(of(w)) / mebi, nil
		}, nil
	}
}

// weigh sums up a fork's life.
func weigh(life []weight, answered time.Time) (w weighing) {
	for _, now := range life {
		if !now.at.After(answered) {
			w.first = now
		}
		w.most.ram, w.most.all = max(w.most.ram, now.ram), max(w.most.all, now.all)
	}
	return w
}

// watchForks measures the only fork until done.
func watchForks(done <-chan struct{}) (life []weight) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		var now weight // of a fork and of the QEMU that stands by for the next, the fork
		for _, pid := range forks() {
			if f, err := os.Open("/proc/" + pid + "/smaps"); err == nil {
				if w := own(f); w.all > now.all {
					now = w
				}
				f.Close()
			}
		}
		if now.all > 0 {
			now.at = time.Now()
			life = append(life, now)
		}
		select {
		case <-done:
			return life
		case <-tick.C:
		}
	}
}

// forks lists the QEMUs that this process started and that did not boot.
func forks() []string {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	var pids []string
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(text)) {
			argv, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if isFork(strings.Split(string(argv), "\x00")) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// isFork recognizes a fork by its arguments: QEMU waits for its state.
func isFork(argv []string) bool {
	return strings.HasPrefix(filepath.Base(argv[0]), "qemu-system-") && slices.Contains(argv, "-incoming")
}

// own adds up the pages that are in no file: what a process wrote, be it to
// memory of its own or to a file that it maps privately.
func own(smaps io.Reader) (w weight) {
	var ram bool
	for s := bufio.NewScanner(smaps); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		switch {
		case strings.Contains(name, "-"): // 7f0000000000-7f0010000000 rw-p ... file
			ram = strings.Contains(s.Text(), "memfd:ldlab-ram")
		case name == "Anonymous":
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			w.all += kib << 10
			if ram {
				w.ram += kib << 10
			}
		}
	}
	return w
}

// guestMemory is the RAM of a guest.
func guestMemory(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, _, err := b.stage(ctx, sel)
		return func(context.Context) (float64, error) { return float64(s.ForkMemoryMiB()), nil }, err
	}
}
