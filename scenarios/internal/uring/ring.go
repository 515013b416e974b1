// Package uring makes system calls through io_uring(7). Then the calling task
// makes them, or a thread of the kernel does it for that task.
package uring

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a ring is set up with: include/uapi/linux/io_uring.h, v6.12.
const (
	setupPoll = 1 << 1 // IORING_SETUP_SQPOLL

	featureSingleMmap = 1 << 0 // IORING_FEAT_SINGLE_MMAP, v5.4

	offRing    = 0          // IORING_OFF_SQ_RING
	offEntries = 0x10000000 // IORING_OFF_SQES

	enterGetEvents = 1 << 0 // IORING_ENTER_GETEVENTS
	enterWakeUp    = 1 << 1 // IORING_ENTER_SQ_WAKEUP

	registerBuffers    = 0  // IORING_REGISTER_BUFFERS
	registerFiles      = 2  // IORING_REGISTER_FILES
	registerMaxWorkers = 19 // IORING_REGISTER_IOWQ_MAX_WORKERS, v5.15
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, pollCPU, pollIdle, features, wqFD uint32
	_                                                              [3]uint32
	sq                                                             struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// entry is struct io_uring_sqe.
type entry struct {
	opcode, flags uint8
	_             uint16
	fd            int32
	off           uint64 // or a second address
	addr          uint64
	length        uint32
	opFlags       uint32
	_             uint64
	buffer        uint16
	_             uint16
	slot          uint32
	_             [2]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	_      uint64
	result int32
	_      uint32
}

// A ring takes one call at a time. Its thread never runs anything else, because
// the kernel gives each thread that submits workers of its own.
type ring struct {
	fd     int
	shared []byte // head, tail and completions
	sqes   []byte
	p      params
	data   []byte // what the kernel reads and writes: it stays where it is
	calls  chan func()
}

// size is that of the memory for paths and data, in bytes.
const size = 4 * 4096

// errNone is the error of a kernel without io_uring.
var errNone = errors.New("the kernel has no io_uring")

// newRing sets up a ring whose calls have the flags.
func newRing(flags uint32) (*ring, error) {
	r := &ring{calls: make(chan func())}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever
		err := r.setUp(flags)
		done <- err
		for call := range r.calls {
			call()
		}
	}()
	if err := <-done; err != nil {
		close(r.calls)
		return nil, err
	}
	return r, nil
}

func (r *ring) setUp(flags uint32) (err error) {
	r.p = params{flags: flags}
	if flags&setupPoll != 0 {
		r.p.pollIdle = 1 // ms
	}
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&r.p)), 0)
	if e == unix.ENOSYS {
		return errNone
	}
	if e != 0 {
		return fmt.Errorf("io_uring_setup: %v", e)
	}
	r.fd = int(fd)
	if r.p.features&featureSingleMmap == 0 {
		return fmt.Errorf("io_uring_setup: features %#x", r.p.features)
	}
	rings := max(r.p.sq.array+4*r.p.sqEntries, r.p.cq.cqes+16*r.p.cqEntries)
	const mode = unix.PROT_READ | unix.PROT_WRITE
	if r.shared, err = unix.Mmap(r.fd, offRing, int(rings), mode, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("mmap the ring: %v", err)
	}
	if r.sqes, err = unix.Mmap(r.fd, offEntries, int(r.p.sqEntries)*int(unsafe.Sizeof(entry{})), mode, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("mmap the entries: %v", err)
	}
	if r.data, err = unix.Mmap(-1, 0, size, mode, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("mmap: %v", err)
	}
	iov := unix.Iovec{Base: &r.data[0], Len: size}
	if e := r.register(registerBuffers, unsafe.Pointer(&iov), 1); e != 0 {
		return fmt.Errorf("io_uring_register(BUFFERS): %v", e)
	}
	slot := int32(-1) // empty
	if e := r.register(registerFiles, unsafe.Pointer(&slot), 1); e != 0 {
		return fmt.Errorf("io_uring_register(FILES): %v", e)
	}
	return r.nameWorkers()
}

func (r *ring) register(what uintptr, arg unsafe.Pointer, n uintptr) unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), what, uintptr(arg), n, 0, 0)
	return e
}

// at is a value in the data of the ring, skip bytes from its beginning.
func at[T any](r *ring, skip int) *T { return (*T)(unsafe.Pointer(&r.data[skip])) }

// word is a word of the memory that is shared with the kernel.
func (r *ring) word(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.shared[off])) }

// address is that of the ring's data, skip bytes from its beginning.
func (r *ring) address(skip int) uint64 { return uint64(uintptr(unsafe.Pointer(&r.data[skip]))) }

// do has the kernel make one call and waits for its result.
func (r *ring) do(e entry) (int, error) {
	type answer struct {
		n   int
		err error
	}
	c := make(chan answer)
	r.calls <- func() {
		n, err := r.submit(e)
		c <- answer{n, err}
	}
	a := <-c
	return a.n, a.err
}

func (r *ring) submit(e entry) (int, error) {
	p := &r.p
	tail := atomic.LoadUint32(r.word(p.sq.tail))
	i := tail & (p.sqEntries - 1)
	*(*entry)(unsafe.Pointer(&r.sqes[int(i)*int(unsafe.Sizeof(e))])) = e
	atomic.StoreUint32(r.word(p.sq.array+4*i), i)
	atomic.StoreUint32(r.word(p.sq.tail), tail+1)
	head := atomic.LoadUint32(r.word(p.cq.head))
	for atomic.LoadUint32(r.word(p.cq.tail)) == head {
		left := tail + 1 - atomic.LoadUint32(r.word(p.sq.head)) // 0 after a signal has ended the wait
		_, _, err := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(left), 1, enterGetEvents|r.wakes(), 0, 0)
		if err != 0 && err != unix.EINTR && err != unix.EAGAIN {
			return 0, fmt.Errorf("io_uring_enter: %v", err)
		}
	}
	c := *(*completion)(unsafe.Pointer(&r.shared[p.cq.cqes+16*(head&(p.cqEntries-1))]))
	atomic.StoreUint32(r.word(p.cq.head), head+1)
	if c.result < 0 {
		return 0, unix.Errno(-c.result)
	}
	return int(c.result), nil
}

// wakes is the flag that wakes the thread of the kernel that polls the ring.
func (r *ring) wakes() uintptr {
	if r.p.flags&setupPoll != 0 {
		return enterWakeUp
	}
	return 0
}

// nameWorkers has the kernel make both threads that it may need and gives them the
// name of this process, because the kernel reports a denial of what a thread does
// by the thread's name: iou-wrk-N or iou-sqp-N (io_uring/io-wq.c:io_wq_worker,
// sqpoll.c:io_sq_thread, v6.12). It allows no third one.
func (r *ring) nameWorkers() error {
	most := [2]uint32{1, 1} // of those for files, and of those for what may wait for ever
	if e := r.register(registerMaxWorkers, unsafe.Pointer(&most), 2); e != 0 {
		return fmt.Errorf("io_uring_register(IOWQ_MAX_WORKERS): %v", e)
	}
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open(/dev/zero): %v", err)
	}
	defer unix.Close(zero)
	for _, e := range []entry{
		{opcode: opNop, flags: async},
		{opcode: opRead, flags: async, fd: int32(zero), addr: r.address(0), length: 1},
	} {
		if _, err := r.submit(e); err != nil {
			return fmt.Errorf("start a worker: %v", err)
		}
	}
	return takeName()
}

// takeName gives each thread of this process the name of the first.
func takeName() error {
	const dir = "/proc/self"
	name, err := commOf(dir)
	if err != nil {
		return err
	}
	threads, err := os.ReadDir(dir + "/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		thread := dir + "/task/" + t.Name()
		if is, err := commOf(thread); err != nil || is == name {
			continue // another thread may have ended
		}
		if err := os.WriteFile(thread+"/comm", []byte(name), 0); err != nil {
			return fmt.Errorf("name a worker: %v", err)
		}
	}
	return nil
}

// commOf is the name of a thread, whose directory of procfs is dir.
func commOf(dir string) (string, error) {
	comm, err := os.ReadFile(dir + "/comm")
	return strings.TrimSuffix(string(comm), "\n"), err
}
