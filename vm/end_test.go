package vm

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/vm/qmp"
)

// exited makes the state of a process that ran that shell line.
func exited(t *testing.T, line string) *os.ProcessState {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Run()
	return cmd.ProcessState
}

func TestJudge(t *testing.T) {
	ok, fail, killed := exited(t, "exit 0"), exited(t, "exit 1"), exited(t, "kill -9 $$")
	shutdown := func(reason string) evidence {
		var e evidence
		e.observe(qmp.Event{Name: "SHUTDOWN", Data: map[string]any{"guest": true, "reason": reason}})
		e.state = ok
		return e
	}
	with := func(e evidence, change func(*evidence)) evidence { change(&e); return e }
	for _, tt := range []struct {
		name   string
		e      evidence
		want   Cause
		detail string
		guest  bool
	}{
		{"power-off", shutdown("guest-shutdown"), PoweredOff, "", true},
		{"reset", shutdown("guest-reset"), Reset, "restarted itself", true},
		{"power-off by reset", with(shutdown("guest-reset"), func(e *evidence) { e.off = true }), PoweredOff, "by a reset", true},
		{"panic on the console", with(shutdown("guest-reset"), func(e *evidence) { e.panicAt = "Kernel panic: x" }), Panicked, "Kernel panic: x", true},
		{"panic by pvpanic", with(shutdown("guest-reset"), func(e *evidence) { e.observe(qmp.Event{Name: "GUEST_PANICKED"}) }), Panicked, "pvpanic", true},
		{"panic reason", shutdown("guest-panic"), Panicked, "pvpanic", true},
		{"panic while powering off", with(shutdown("guest-reset"), func(e *evidence) { e.off, e.panicAt = true, "Kernel panic" }), Panicked, "Kernel panic", true},
		{"panic, then stopped", with(shutdown("host-qmp-quit"), func(e *evidence) { e.stopping, e.panicAt = true, "Kernel panic" }), Panicked, "Kernel panic", true},
		{"panic, still running", evidence{panicAt: "Kernel panic", status: `"running"`}, Panicked, "Kernel panic", true},
		{"power-off after a line of a panic", with(shutdown("guest-shutdown"), func(e *evidence) { e.off, e.panicAt = true, "[    1.000000] Kernel panic - not syncing: no" }), PoweredOff, "", true},
		{"power-off from inside after a line of a panic", with(shutdown("guest-shutdown"), func(e *evidence) { e.panicAt = "Kernel panic" }), PoweredOff, "", true},
		{"hang", evidence{status: `"running"`, bytes: 10, silent: 90 * time.Second}, Hung, `QEMU reports "running"; 10 bytes came to the console, the last 90.0 s ago`, true},
		{"silence", evidence{status: `"running"`}, Hung, "nothing came to the console", true},
		{"stopped", with(shutdown("host-qmp-quit"), func(e *evidence) { e.stopping = true }), Stopped, "", false},
		{"stopped by SIGKILL", evidence{state: killed, stopping: true}, Stopped, "", false},
		{"power-off while stopping", with(shutdown("guest-shutdown"), func(e *evidence) { e.stopping = true }), PoweredOff, "", true},
		{"SIGTERM from outside", shutdown("host-signal"), QEMUKilled, "host-signal", false},
		{"SIGKILL from outside", evidence{state: killed}, QEMUKilled, "signal: killed", false},
		{"early exit", evidence{state: fail, stderr: []string{"", "qemu: no such machine"}}, QEMUFailed, "exit status 1: qemu: no such machine", false},
		{"exit without a word", evidence{state: ok}, QEMUFailed, "exit status 0", false},
	} {
		cause, detail := tt.e.judge()
		if cause != tt.want || !strings.Contains(detail, tt.detail) || cause.Guest() != tt.guest {
			t.Errorf("%s: %s, %q, guest's %v; want %s, %q, %v", tt.name, cause, detail, cause.Guest(), tt.want, tt.detail, tt.guest)
		}
		if strings.Contains(End{Cause: cause, Detail: detail}.String(), "\n") {
			t.Errorf("%s: more than one line", tt.name)
		}
	}
}
