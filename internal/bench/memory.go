package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/lab"
)

// watchEvery is how often a fork is weighed: it lives for some seconds.
const watchEvery = 20 * time.Millisecond

// A weight is what a fork has for itself, each number when it is most, in
// bytes.
type weight struct {
	ram int64 // guest's pages that were written
	all int64 // that, and what QEMU needs for itself
}

func (w *weight) grow(o weight) { *w = weight{max(w.ram, o.ram), max(w.all, o.all)} }

const mebi = 1 << 20

// forkPages weighs a fork while it runs every probe, and leaves the weight for
// forkMemory.
func forkPages(sel lab.Selection, w *weight) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		if err != nil {
			return nil, err
		}
		_, err = answer(ctx, s, g, false)
		return func(ctx context.Context) (float64, error) {
			watched, done := make(chan weight), make(chan struct{})
			go func() { watched <- heaviestFork(done) }()
			_, err := answer(ctx, s, g, false)
			close(done)
			*w = <-watched
			if err == nil && w.all == 0 {
				err = errors.New("weigh fork: none was seen among our children")
			}
			return float64(w.ram) / mebi, err
		}, err
	}
}

// forkMemory gives the rest of what forkPages has just seen.
func forkMemory(w *weight) func(context.Context, *bench) (sampler, error) {
	return func(context.Context, *bench) (sampler, error) {
		return func(context.Context) (float64, error) {
			if w.all == 0 {
				return 0, errors.New("weigh fork: it was not")
			}
			return float64(w.all) / mebi, nil
		}, nil
	}
}

// heaviestFork is the most that any fork had until done.
func heaviestFork(done <-chan struct{}) (most weight) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		for _, pid := range forks() {
			if f, err := os.Open("/proc/" + pid + "/smaps"); err == nil {
				most.grow(private(f))
				f.Close()
			}
		}
		select {
		case <-done:
			return most
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

// isFork tells a fork by its state, which QEMU is told to wait for.
func isFork(argv []string) bool {
	return strings.HasPrefix(filepath.Base(argv[0]), "qemu-system-") && slices.Contains(argv, "-incoming")
}

// private adds up what a process shares with no one.
func private(smaps io.Reader) (w weight) {
	var ram bool
	for s := bufio.NewScanner(smaps); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		switch {
		case strings.Contains(name, "-"): // 7f0000000000-7f0010000000 rw-p ... file
			ram = strings.Contains(s.Text(), "memfd:ldlab-ram")
		case name == "Private_Clean" || name == "Private_Dirty":
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			w.all += kib << 10
			if ram {
				w.ram += kib << 10
			}
		}
	}
	return w
}

// guestMemory is what QEMU is told to give a guest.
func guestMemory(sel lab.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		if err != nil {
			return nil, err
		}
		argv, err := s.Machine(g).Argv()
		if err != nil {
			return nil, err
		}
		mib, err := ramOf(argv)
		return func(context.Context) (float64, error) { return mib, nil }, err
	}
}

// ramOf reads QEMU's -m, in MiB.
func ramOf(argv []string) (float64, error) {
	for i, arg := range argv {
		if arg == "-m" && i+1 < len(argv) {
			if mib, err := strconv.Atoi(strings.TrimSuffix(argv[i+1], "M")); err == nil && mib > 0 {
				return float64(mib), nil
			}
			return 0, fmt.Errorf("read -m %s: not a number of MiB", argv[i+1])
		}
	}
	return 0, errors.New("read QEMU's arguments: no -m")
}
