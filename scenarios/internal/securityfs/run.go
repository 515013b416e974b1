// Package securityfs runs sequences of operations on lockdown's files in
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

// Run performs the operations of a sequence and yields each with the kernel's
// answer. lockdown.CheckSequence must accept the sequence. A write is one
// write(2) of one whole command; a read continues to the end of the file.
func Run(ops []lockdown.Op) iter.Seq[lockdown.Op] {
	return func(yield func(lockdown.Op) bool) {
		for _, part := range lockdown.Parts(ops) {
			if part[0].Group != 0 {
				part = runAtOnce(part)
			} else {
				part = runPart(part, func() {})
			}
			for _, s := range part {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// runPart performs operations on one descriptor, after start has returned.
func runPart(ops []lockdown.Op, start func()) []lockdown.Op {
	fd, err := unix.Open(ops[0].File, mode(ops)|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	start()
	done := make([]lockdown.Op, 0, len(ops))
	for _, s := range ops {
		switch {
		case err != nil:
			s.Err = observe.ErrnoName(err)
		case s.Call == "write":
			s.Err = observe.ErrnoName(observe.WriteOnce(fd, s.Data, s.At))
		default:
			s.Data, s.Err = observe.ReadAll(fd, s.At)
		}
		done = append(done, s)
	}
	return done
}

// mode returns the mode in which a descriptor must be opened.
func mode(ops []lockdown.Op) int {
	reads, writes := false, false
	for _, s := range ops {
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

// runAtOnce runs each writer of a group in its own thread, with its file open,
// and releases all with one wake-up.
func runAtOnce(group []lockdown.Op) []lockdown.Op {
	writers := lockdown.Writers(group)
	// A thread that returns from the gate must find an idle P, or Go would run
	// the writers one after the other.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(writers) + 1))
	var gate [2]int
	if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
		for i := range group {
			group[i].Err = "pipe: " + observe.ErrnoName(err) // the model never returns this
		}
		return group
	}
	defer unix.Close(gate[0])
	var there, all sync.WaitGroup
	there.Add(len(writers))
	for i, ops := range writers {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			writers[i] = runPart(ops, func() {
				there.Done()
				var b [1]byte
				_, _ = unix.Read(gate[0], b[:]) // returns when the other end is closed
			})
		})
	}
	there.Wait()
	unix.Close(gate[1])
	all.Wait()
	var done []lockdown.Op
	for _, w := range writers {
		done = append(done, w...)
	}
	return done
}
