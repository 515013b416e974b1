package scenarios

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// keptPort grants a thread an I/O port before, and has it read the port after.
// Permissions are a thread's: one goroutine has it to itself from first to last.
func keptPort(act string, grant func() error) (func() Result, Result) {
	granted, run, done := make(chan error), make(chan struct{}), make(chan Result)
	go func() {
		runtime.LockOSThread() // the thread ends with its goroutine, and with it the permission
		err := grant()
		granted <- err
		if err != nil {
			return
		}
		<-run
		done <- readPort(act)
	}()
	r := judge(act, <-granted)
	if r.Outcome != Allowed {
		return nil, r
	}
	return func() Result { close(run); return <-done }, r
}

// readPort reads the port. Without permission that is a fault, and a fault is
// how a grant that was taken back would show.
func readPort(after string) (r Result) {
	act := fmt.Sprintf("%s, inb(%#x)", after, postPort)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			r = Result{Outcome: Denied, Call: act + " = SIGSEGV"}
		}
	}()
	b := inb(postPort)
	return Result{Outcome: Allowed, Call: fmt.Sprintf("%s = %#x", act, b)}
}
