package identity

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tracer is a process that traces one thread of this process after another. It
// is another process, because a thread cannot trace its own ones, and PID 1 would
// have to wait for each stop of a child that it traces. It is a copy of this
// process without exec: a program of its own would take longer to start than
// most acts.
type tracer struct {
	mu       sync.Mutex
	requests int // the tracer reads the number of a thread here
	answers  int // and writes an errno when it has attached, or could not
}

// detachMe is the signal that has the tracer detach. No program of Linux uses it,
// and the tracer takes it away.
const detachMe = syscall.SIGSTKFLT

// StartTracer starts the process's tracer, once. It must be called while the
// process has CAP_SYS_PTRACE; the tracer keeps it.
var StartTracer = sync.OnceValue(func() error { return theTracer.start() })

var theTracer tracer

func (t *tracer) start() error {
	var to, from [2]int
	if err := unix.Pipe2(to[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("start tracer: pipe2: %w", err)
	}
	if err := unix.Pipe2(from[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("start tracer: pipe2: %w", err)
	}
	runtime.LockOSThread() // its signals are blocked for a moment
	defer runtime.UnlockOSThread()
	e := forkTracer(&tracing{requests: uintptr(to[0]), answers: uintptr(from[1]), blocked: ^uint64(0)})
	unix.Close(to[0])
	unix.Close(from[1])
	if e != 0 {
		return fmt.Errorf("start tracer: clone: %w", e)
	}
	t.requests, t.answers = to[1], from[0]
	return nil
}

// Traced runs act in the calling thread while the tracer traces it: current->ptrace
// has PT_PTRACED (kernel/ptrace.c, v6.12). StartTracer must have succeeded. Threads
// that act starts are not traced. If there is an error, act did not run, or the
// thread is still traced.
func Traced(act func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := theTracer.attach(int32(unix.Gettid())); err != nil {
		return err
	}
	act()
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), detachMe); err != nil {
		return fmt.Errorf("detach: tgkill: %w", err)
	}
	return nil
}

func (t *tracer) attach(tid int32) error {
	t.mu.Lock() // until the tracer has answered; it serves the next thread when this one is detached
	defer t.mu.Unlock()
	if _, err := unix.Write(t.requests, (*[4]byte)(unsafe.Pointer(&tid))[:]); err != nil {
		return fmt.Errorf("request to be traced: %w", err)
	}
	var answer [1]byte
	for {
		switch n, err := unix.Read(t.answers, answer[:]); {
		case err == unix.EINTR:
		case err != nil:
			return fmt.Errorf("wait for the tracer: %w", err)
		case n == 0:
			return fmt.Errorf("wait for the tracer: it has ended")
		case answer[0] != 0:
			return fmt.Errorf("ptrace(PTRACE_SEIZE): %w", syscall.Errno(answer[0]))
		default:
			return nil
		}
	}
}

// A tracing is the memory of the tracer's process. It is made before the process,
// which cannot allocate.
type tracing struct {
	requests, answers uintptr
	blocked, before   uint64 // masks of signals
	tid, status       int32
	answer            byte
}

// forkTracer starts a process that runs trace.
//
// The new process is a copy of one thread of a Go program. It must do nothing but
// raw system calls, because the runtime's other threads are not there: no
// allocation, no growing of the stack, no preemption, and so no signal.
//
//go:norace
//go:nosplit
func forkTracer(m *tracing) syscall.Errno {
	const setMask = 2 // SIG_SETMASK, include/uapi/asm-generic/signal-defs.h, v6.12
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&m.blocked)), uintptr(unsafe.Pointer(&m.before)), 8, 0, 0)
	pid, _, e := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if e == 0 && pid == 0 {
		trace(m)
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&m.before)), 0, 8, 0, 0)
	return e
}

// trace attaches to one thread after another, until the process that it came from
// is gone. It never returns.
//
//go:norace
//go:nosplit
func trace(m *tracing) {
	// Nothing that the process has open stays open here.
	syscall.RawSyscall(unix.SYS_DUP3, m.requests, 0, 0)
	syscall.RawSyscall(unix.SYS_DUP3, m.answers, 1, 0)
	syscall.RawSyscall(unix.SYS_CLOSE_RANGE, 2, ^uintptr(0), 0)
	for {
		if n, _, _ := syscall.RawSyscall(unix.SYS_READ, 0, uintptr(unsafe.Pointer(&m.tid)), 4); n != 4 {
			break
		}
		// PTRACE_SEIZE does not stop the thread.
		_, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(m.tid), 0, 0, 0, 0)
		m.answer = byte(e)
		syscall.RawSyscall(unix.SYS_WRITE, 1, uintptr(unsafe.Pointer(&m.answer)), 1)
		for e == 0 && !detached(m) {
		}
	}
	for {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

// detached waits until the thread stops, and has it go on. It reports whether the
// thread is not traced any more.
//
//go:norace
//go:nosplit
func detached(m *tracing) bool {
	_, _, e := syscall.RawSyscall6(unix.SYS_WAIT4, uintptr(m.tid), uintptr(unsafe.Pointer(&m.status)), unix.WALL, 0, 0, 0)
	if e == syscall.EINTR {
		return false
	}
	const stopped = 0x7f // WIFSTOPPED
	if e != 0 || m.status&0xff != stopped {
		return true // the thread has ended
	}
	signal, event := uintptr(m.status>>8&0xff), m.status>>16
	if event == 0 && signal == uintptr(detachMe) {
		syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(m.tid), 0, 0, 0, 0)
		return true
	}
	if event != 0 {
		signal = 0 // it stopped for no signal that is to be delivered
	}
	syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_CONT, uintptr(m.tid), 0, signal, 0, 0)
	return false
}
