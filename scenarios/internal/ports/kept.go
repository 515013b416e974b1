package ports

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// GrantForLater grants a thread an I/O port before, and has it read the port after.
// Permissions are a thread's: one goroutine has it to itself from first to last.
func GrantForLater(act string, grant func() error) (func() observe.Report, observe.Report) {
	granted, run, done := make(chan error), make(chan struct{}), make(chan observe.Report)
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
	r := observe.FromError(act, <-granted)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report { close(run); return <-done }, r
}

// readPort reads the port. Without permission that is a fault, and a fault is
// how a grant that was taken back would show.
func readPort(after string) (r observe.Report) {
	act := fmt.Sprintf("%s, inb(%#x)", after, POSTPort)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			r = observe.Report{Outcome: observe.Denied, Call: act + " = SIGSEGV"}
		}
	}()
	b := inb(POSTPort)
	return observe.Report{Outcome: observe.Allowed, Call: fmt.Sprintf("%s = %#x", act, b)}
}
