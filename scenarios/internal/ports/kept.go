package ports

import (
	"runtime"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// GrantForLater grants a thread access to an I/O port now and reads the port
// later. Permissions belong to a thread, so one goroutine is locked to it
// throughout.
func GrantForLater(call string, grant func() error) (func() observe.Report, observe.Report) {
	granted, run, done := make(chan error), make(chan struct{}), make(chan observe.Report)
	go func() {
		runtime.LockOSThread() // the thread and its permission end with the goroutine
		err := grant()
		granted <- err
		if err != nil {
			return
		}
		<-run
		done <- readPort(call)
	}()
	r := observe.FromError(call, <-granted)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	return func() observe.Report { close(run); return <-done }, r
}

// readPort reads the port. Without permission the read faults, so a revoked
// grant shows as a fault.
func readPort(after string) observe.Report {
	text, has := tryPort(POSTPort)
	r := observe.Report{Outcome: observe.Denied, Call: after + ", " + text}
	if has {
		r.Outcome = observe.Allowed
	}
	return r
}

// GrantMore grants the calling thread another port than the one that it has and
// keeps: the first time it gets both. The caller's goroutine stays on its thread,
// so that the next call finds the first port there.
func GrantMore() observe.Report {
	runtime.LockOSThread()
	if _, has := tryPort(POSTPort); !has {
		if r := observe.FromError("ioperm(0x80, 1, 1)", Ioperm(POSTPort, 1, 1)); r.Outcome != observe.Allowed {
			return r.Saw(false, "the thread has no port")
		}
	}
	return Range(POSTPort+1, 1, 1, POSTPort+1)
}
