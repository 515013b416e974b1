package ports

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Try grants the calling thread access to ports, looks whether it has the port,
// and takes the access back, also if it was refused. Reading the port must be
// harmless. Permissions are a thread's: the caller's goroutine stays on it, and
// the thread ends with the goroutine.
func Try(call string, port uint16, grant func() error, takeBack func()) observe.Report {
	runtime.LockOSThread()
	_, before := tryPort(port)
	r := observe.FromError(call, grant())
	text, has := tryPort(port)
	takeBack()
	if before {
		// Another grant than this one's shows here.
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: fmt.Sprintf("the thread had port %#x before", port)}
	}
	if _, still := tryPort(port); still {
		text += ", and cannot be taken back"
	}
	return r.Saw(has, text)
}

// Range grants so many ports by ioperm(2) with the value of turn_on, and looks at
// one of them.
func Range(from, n, on int, look uint16) observe.Report {
	return Try(fmt.Sprintf("ioperm(%#x, %#x, %d)", from, n, on), look,
		func() error { return Ioperm(from, n, on) },
		func() { Ioperm(from, n, 0) })
}

// Levels sets each I/O privilege level in turn. The report is that of the last
// one, and has a look at the port that is right if any of them gave it.
func Levels(levels ...int) observe.Report { return setLevels(Iopl, tryPort, levels...) }

func setLevels(iopl func(int) error, try func(uint16) (string, bool), levels ...int) observe.Report {
	given := ""
	r := Try(fmt.Sprintf("iopl(%d)", levels[len(levels)-1]), POSTPort,
		func() (err error) {
			for i, l := range levels {
				if err = iopl(l); err == nil && i < len(levels)-1 {
					if text, has := try(POSTPort); has && given == "" {
						given = fmt.Sprintf("%s after iopl(%d), call %d", text, l, i+1)
					}
				}
			}
			return err
		},
		func() { iopl(0) })
	if given != "" && r.Effect == observe.Nothing {
		r = r.Saw(true, given)
	}
	return r
}

// tryPort reads a port. Without permission the read faults.
func tryPort(port uint16) (call string, has bool) {
	call = fmt.Sprintf("inb(%#x)", port)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			call, has = call+" = SIGSEGV", false
		}
	}()
	return fmt.Sprintf("%s = %#x", call, inb(port)), true
}
