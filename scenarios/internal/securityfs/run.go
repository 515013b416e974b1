// Package securityfs performs sequences of operations on lockdown's files in
// securityfs, and has the sequences of the probes.
package securityfs

import (
	"iter"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Run does the steps of a script, which lockdown.CheckScript must take, and
// gives each with the kernel's answer filled in. A write is one write(2) of one
// whole command; a read goes on to the end of the file.
func Run(steps []lockdown.Op) iter.Seq[lockdown.Op] {
	return func(yield func(lockdown.Op) bool) {
		for _, part := range lockdown.Parts(steps) {
			if part[0].Group != 0 {
				part = playAtOnce(part)
			} else {
				part = playOne(part, func() {})
			}
			for _, s := range part {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// playOne does steps on one descriptor, after start has come back.
func playOne(steps []lockdown.Op, start func()) []lockdown.Op {
	fd, err := unix.Open(steps[0].File, mode(steps)|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	start()
	answered := make([]lockdown.Op, 0, len(steps))
	for _, s := range steps {
		switch {
		case err != nil:
			s.Err = observe.ErrnoName(err)
		case s.Call == "write":
			s.Err = observe.ErrnoName(observe.WriteOnce(fd, s.Data, s.At))
		default:
			s.Data, s.Err = observe.ReadAll(fd, s.At)
		}
		answered = append(answered, s)
	}
	return answered
}

// mode is what a descriptor must be opened for.
func mode(steps []lockdown.Op) int {
	reads, writes := false, false
	for _, s := range steps {
		reads, writes = reads || s.Call == "read", writes || s.Call == "write"
	}
	switch {
	case reads && writes:
		return unix.O_RDWR
	case writes:
		return unix.O_WRONLY
	}
	return unix.O_RDONLY
}

// playAtOnce has each writer of a group in a thread of its own, with its file
// open, and lets go of all with one wake-up.
func playAtOnce(group []lockdown.Op) []lockdown.Op {
	writers := lockdown.Writers(group)
	// Whoever comes back from the gate must find a processor of Go's idle, or
	// Go would let them write one after the other.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(writers) + 1))
	var gate [2]int
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		for i := range group {
			group[i].Err = "pipe: " + observe.ErrnoName(err) // no answer of the model
		}
		return group
	}
	defer unix.Close(gate[0])
	var there, all sync.WaitGroup
	there.Add(len(writers))
	for i, steps := range writers {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			writers[i] = playOne(steps, func() {
				there.Done()
				var b [1]byte
				_, _ = unix.Read(gate[0], b[:]) // ends when the gate's other end is closed
			})
		})
	}
	there.Wait()
	unix.Close(gate[1])
	all.Wait()
	var answered []lockdown.Op
	for _, w := range writers {
		answered = append(answered, w...)
	}
	return answered
}
