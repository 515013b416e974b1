package sysrq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/hostport"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	maskFile    = "/proc/sys/kernel/sysrq"
	consoleFile = "/sys/class/tty/console/active"
)

// PressOnLine has the host press every key on the serial line of the console, as
// somebody at the machine does: a break and the key. Kernels whose key lifted
// lockdown ignored /proc/sysrq-trigger, because any root could write it. The
// kernel logs a line for every key, so the probe sees that each one arrived.
func PressOnLine(ctx context.Context) observe.Report {
	names, _ := observe.ReadBounded(consoleFile)
	fields := strings.Fields(names)
	if len(fields) == 0 {
		return observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("read(%q) = %q", consoleFile, names), Why: "no console"}
	}
	// A line that nobody has open receives nothing.
	tty := fields[len(fields)-1]
	console, r := observe.Open("/dev/"+tty, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK)
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(console)
	return pressEach(ctx, way{text: "a break and %q on the line of " + tty, config: "CONFIG_MAGIC_SYSRQ_SERIAL"})
}

// PressOnKeyboard has the host press every key on the machine's keyboard, together
// with Alt and SysRq.
func PressOnKeyboard(ctx context.Context) observe.Report {
	const driver = "/sys/bus/virtio/drivers/virtio_input"
	if found, _ := filepath.Glob(driver + "/virtio*"); len(found) == 0 {
		return observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("readdir(%q): a device", driver), Why: "CONFIG_VIRTIO_INPUT"}
	}
	return pressEach(ctx, way{text: "Alt, SysRq and %q on the keyboard", keyboard: true, config: "CONFIG_VIRTIO_INPUT"})
}

// A way is where the host presses keys.
type way struct {
	text     string // with the key
	keyboard bool
	config   string // without it the kernel receives no key
}

// pressEach has the host press every key.
func pressEach(ctx context.Context, w way) observe.Report {
	port, r := hostport.Open(ctx)
	if r.Outcome != observe.Allowed {
		return r
	}
	defer port.Close()
	restore, r := enable()
	if r.Outcome != observe.Allowed {
		return r
	}
	defer restore()
	for keys := range slices.Chunk(Keys(), debugger.MaxSteps) {
		if r := w.pressAll(port, keys); r.Outcome != observe.Allowed {
			return r
		}
	}
	return observe.Report{Outcome: observe.Allowed}
}

// enable allows all keys, and returns what puts back the mask and the console's
// level, which keys change.
func enable() (restore func(), r observe.Report) {
	level, r := consoleLevel()
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	mask, r := observe.ReadText(maskFile)
	if r.Outcome != observe.Allowed {
		return nil, observe.UnavailableIf(r, "CONFIG_MAGIC_SYSRQ", unix.ENOENT)
	}
	if mask != "1" {
		if r = observe.WriteText(maskFile, "1"); r.Outcome != observe.Allowed {
			return nil, r
		}
	}
	return func() {
		setConsoleLevel(level)
		if mask != "1" {
			_ = observe.WriteCommand(maskFile, mask)
		}
	}, r
}

// logged begins the line that the kernel logs for each key, whatever it does
// (drivers/tty/sysrq.c:__handle_sysrq, v6.12).
const logged = "sysrq: "

// arrived is what the guest sends the host when it has seen the line for a key.
const arrived = "."

// pressAll has the host press keys, each when the kernel has logged the one before.
func (w way) pressAll(port *hostport.Port, keys []rune) observe.Report {
	var script []debugger.Step
	for _, key := range keys {
		script = append(script, debugger.Step{Key: string(key), Keyboard: w.keyboard, Until: `\.`})
	}
	tail, err := observe.TailLog()
	if err != nil {
		return observe.SetupFailed(`open("/dev/kmsg")`, err)
	}
	defer tail.Close()
	if err := debugger.Prepare(port, script); err != nil {
		return observe.SetupFailed("ask the host for keys", err)
	}
	r := observe.Report{Outcome: observe.Allowed}
	for i, key := range keys {
		if r = w.pressed(port, tail, fmt.Sprintf(w.text, string(key))); r.Outcome != observe.Allowed {
			if i > 0 && r.Outcome == observe.Unavailable {
				r.Outcome, r.Why = observe.Failed, "the kernel logs nothing, but logged the key before"
			}
			break
		}
	}
	if _, err := debugger.Fetch(port); err != nil && r.Outcome == observe.Allowed {
		r = observe.SetupFailed("end of the keys", err)
	}
	return r
}

// pressed waits until the kernel logs that the next key was pressed.
func (w way) pressed(port *hostport.Port, tail observe.LogTail, call string) observe.Report {
	wait := time.Second
	if end, ok := port.Ctx.Deadline(); ok {
		wait = time.Until(end) / 4 // the deadline is scaled to the machine
	}
	line, err := tail.Await(logged, wait)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return observe.Report{Outcome: observe.Unavailable, Call: call, Why: w.config}
	case err == nil && strings.Contains(line, "disabled"):
		return observe.Report{Outcome: observe.Failed, Call: call, Why: "the kernel logs: " + line}
	case err == nil:
		_, err = io.WriteString(port, arrived)
	}
	if err != nil {
		return observe.SetupFailed(call, err)
	}
	return observe.Report{Outcome: observe.Allowed}
}
