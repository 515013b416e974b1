package vm

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/vm/qmp"
)

// A Cause is why a machine ended, or why it was given up.
type Cause string

// The causes. The first five are the guest's doing.
const (
	PoweredOff Cause = "power-off"   // it was shut down from inside
	Panicked   Cause = "panic"       // its kernel panicked
	Reset      Cause = "reset"       // it restarted without a panic
	Hung       Cause = "hang"        // it runs, and did not answer in time
	Garbled    Cause = "garbage"     // it runs, and does not keep to the protocol
	Stopped    Cause = "stopped"     // the lab ended it
	QEMUFailed Cause = "qemu-failed" // QEMU gave up by itself
	QEMUKilled Cause = "qemu-killed" // someone else ended QEMU
)

// Guest reports whether the cause is the guest's doing, which is a result. Any
// other cause is an error of the lab or of its host.
func (c Cause) Guest() bool {
	switch c {
	case PoweredOff, Panicked, Reset, Hung, Garbled:
		return true
	}
	return false
}

// An End is how a machine ended, or how it stood when it was given up.
type End struct {
	Cause   Cause
	Detail  string   // one line
	Console []string // the last lines of the console
}

func (e End) String() string {
	if e.Detail == "" {
		return string(e.Cause)
	}
	return string(e.Cause) + ": " + e.Detail
}

// evidence is all from which an End is derived. Exit statuses are not enough:
// QEMU exits with 0 after a panic, a restart and a power-off alike.
type evidence struct {
	state    *os.ProcessState // nil: QEMU runs
	shutdown string           // reason of the last SHUTDOWN event
	pvpanic  bool             // GUEST_PANICKED came
	panicAt  string           // the console's first line of a panic
	off      bool             // the guest program was told to power off
	stopping bool             // the lab is ending QEMU
	stderr   []string         // the last lines of QEMU's messages
	bytes    int64            // that came on the console
	silent   time.Duration    // since the last of them
	status   string           // the guest's state, from query-status
}

// Reasons of SHUTDOWN events: ShutdownCause in qapi/run-state.json, QEMU 7.2.
const (
	guestShutdown = "guest-shutdown"
	guestReset    = "guest-reset"
	guestPanic    = "guest-panic"
)

// observe takes note of an event.
func (e *evidence) observe(event qmp.Event) {
	switch event.Name {
	case "SHUTDOWN":
		e.shutdown, _ = event.Data["reason"].(string)
	case "GUEST_PANICKED":
		e.pvpanic = true
	}
}

// judge derives the cause from the evidence. QEMU's events outrank the console,
// on which a guest's programs can write what they like: a clean shutdown is one
// whatever the console reads, and a line of a panic counts only if the guest
// then stopped. The guest's own end comes before the lab's: a guest that panics
// while it is being stopped has panicked.
func (e evidence) judge() (Cause, string) {
	switch {
	case e.shutdown == guestShutdown:
		return PoweredOff, ""
	case e.pvpanic || e.shutdown == guestPanic:
		if e.panicAt != "" {
			return Panicked, strings.TrimSpace(e.panicAt)
		}
		return Panicked, "reported by pvpanic"
	case e.panicAt != "":
		// Also if QEMU still runs, or was stopped by the lab: a guest that
		// cannot restart after its panic stays as it is.
		return Panicked, strings.TrimSpace(e.panicAt)
	case e.state == nil:
		return Hung, e.standing()
	case e.shutdown == guestReset && e.off:
		return PoweredOff, "by a reset"
	case e.shutdown == guestReset:
		return Reset, "the guest restarted itself"
	case e.stopping:
		return Stopped, ""
	}
	status := e.state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		return QEMUKilled, e.state.String()
	case e.shutdown != "":
		return QEMUKilled, "QEMU was told to end: " + e.shutdown
	}
	return QEMUFailed, e.complaint()
}

// standing describes a machine that runs.
func (e evidence) standing() string {
	console := "nothing came to the console"
	if e.bytes > 0 {
		console = fmt.Sprintf("%d bytes came to the console, the last %.1f s ago", e.bytes, e.silent.Seconds())
	}
	return "QEMU reports " + e.status + "; " + console
}

// complaint is QEMU's exit status and its last messages.
func (e evidence) complaint() string {
	text := e.state.String()
	for _, line := range e.stderr {
		if line = strings.TrimSpace(line); line != "" {
			text += ": " + line
		}
	}
	return text
}
