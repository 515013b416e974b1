package uring

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Operations and flags of an entry: include/uapi/linux/io_uring.h, v6.12.
const (
	opNop        = 0
	opReadv      = 1
	opWritev     = 2
	opReadFixed  = 4
	opWriteFixed = 5
	opOpenat     = 18
	opClose      = 19
	opRead       = 22
	opWrite      = 23
	opOpenat2    = 28
	opInstall    = 54 // IORING_OP_FIXED_FD_INSTALL, v6.8

	fixedFile = 1 << 0 // IOSQE_FIXED_FILE
	async     = 1 << 4 // IOSQE_ASYNC
)

// A Way is a way to submit calls. Which task makes the call depends on it:
// without a flag the task that submits does, if the kernel knows that the call
// need not wait.
type Way struct {
	Name  string
	poll  bool  // IORING_SETUP_SQPOLL: a thread of the kernel submits
	flags uint8 // of each entry
	mode  int   // of each open(2), too
	old   bool  // OPENAT, READV and WRITEV
	fixed bool  // a slot of the ring instead of a descriptor, and a registered buffer
}

// Plain is the act's way, and Others are those of its variants.
var (
	Plain  = Way{Name: "io_uring"}
	Others = []Way{
		{Name: "IOSQE_ASYNC", flags: async},
		{Name: "O_NONBLOCK", mode: unix.O_NONBLOCK},
		{Name: "IORING_SETUP_SQPOLL", poll: true},
		{Name: "IORING_SETUP_SQPOLL, IOSQE_ASYNC", poll: true, flags: async},
		{Name: "OPENAT, READV, WRITEV", old: true},
		{Name: "OPENAT, READV, WRITEV, IOSQE_ASYNC", old: true, flags: async},
		{Name: "a slot and a registered buffer", fixed: true},
		{Name: "a slot and a registered buffer, IOSQE_ASYNC", fixed: true, flags: async},
	}
)

// The rings of this process. They end with it.
var (
	plainRing = sync.OnceValues(func() (*ring, error) { return newRing(0) })
	pollRing  = sync.OnceValues(func() (*ring, error) { return newRing(setupPoll) })
)

// Act does an act with the calls of the way.
func (w Way) Act(act func(observe.Calls) observe.Report) observe.Report {
	get := plainRing
	if w.poll {
		get = pollRing
	}
	r, err := get()
	switch {
	case errors.Is(err, errNone):
		return observe.Report{Outcome: observe.Unavailable, Call: err.Error(), Why: "CONFIG_IO_URING"}
	case err != nil:
		return observe.SetupFailed("io_uring", err)
	}
	return act(observe.Calls{
		Name:   w.Name,
		Open:   func(path string, flags int) (int, error) { return w.open(r, path, flags) },
		Pread:  func(fd int, b []byte, at int64) (int, error) { return w.read(r, fd, b, at) },
		Pwrite: func(fd int, b []byte, at int64) (int, error) { return w.write(r, fd, b, at) },
	})
}

// Vary does the act in each of the other ways.
func Vary(act func(observe.Calls) observe.Report) (list []observe.Variant) {
	for _, w := range Others {
		list = append(list, w.Act(act).Vary(w.Name))
	}
	return list
}

// put copies b to the beginning of the ring's data.
func (r *ring) put(b []byte) error {
	if len(b) > atHow {
		return errors.New("too much data for the ring")
	}
	copy(r.data, b)
	return nil
}

// atHow is where the ring's data has what describes the call: behind the path or
// what is read and written.
const atHow = 2 * 4096

// open opens a file. flags are those of open(2), to which O_CLOEXEC is added. A
// slot cannot have that flag, so the descriptor that is made of it gets it.
func (w Way) open(r *ring, path string, flags int) (int, error) {
	flags |= w.mode
	if !w.fixed {
		flags |= unix.O_CLOEXEC
	}
	if err := r.put(append([]byte(path), 0)); err != nil {
		return -1, err
	}
	e := entry{opcode: opOpenat2, flags: w.flags, fd: unix.AT_FDCWD, addr: r.address(0)}
	if w.old {
		e.opcode, e.opFlags = opOpenat, uint32(flags)
	} else {
		*at[unix.OpenHow](r, atHow) = unix.OpenHow{Flags: uint64(flags)}
		e.off, e.length = r.address(atHow), unix.SizeofOpenHow
	}
	if w.fixed {
		e.slot = 1 // the first one
	}
	fd, err := r.do(e)
	if err != nil || !w.fixed {
		return fd, err
	}
	defer r.do(entry{opcode: opClose, slot: 1})
	return r.do(entry{opcode: opInstall, flags: fixedFile})
}

// read reads at an offset.
func (w Way) read(r *ring, fd int, b []byte, from int64) (int, error) {
	if len(b) > atHow {
		b = b[:atHow]
	}
	n, err := r.do(w.transfer(r, opRead, opReadv, opReadFixed, fd, len(b), from))
	copy(b, r.data[:max(n, 0)])
	return n, err
}

// write writes at an offset.
func (w Way) write(r *ring, fd int, b []byte, to int64) (int, error) {
	if err := r.put(b); err != nil {
		return 0, err
	}
	return r.do(w.transfer(r, opWrite, opWritev, opWriteFixed, fd, len(b), to))
}

// transfer is an entry that moves n bytes at the beginning of the ring's data.
func (w Way) transfer(r *ring, op, vector, fixed uint8, fd, n int, offset int64) entry {
	e := entry{opcode: op, flags: w.flags, fd: int32(fd), off: uint64(offset), addr: r.address(0), length: uint32(n)}
	switch {
	case w.old:
		*at[unix.Iovec](r, atHow) = unix.Iovec{Base: &r.data[0], Len: uint64(n)}
		e.opcode, e.addr, e.length = vector, r.address(atHow), 1
	case w.fixed:
		e.opcode = fixed
	}
	return e
}
