// Package sysrq presses the keys of the kernel's magic SysRq (drivers/tty/sysrq.c,
// v6.12).
package sysrq

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Trigger presses a key for each write, whatever kernel.sysrq allows
// (drivers/tty/sysrq.c:write_sysrq_trigger, v6.12).
const Trigger = "/proc/sysrq-trigger"

// printkFile has the level of the console's messages first.
const printkFile = "/proc/sys/kernel/printk"

// leftOut are the keys that are not pressed, and why.
var leftOut = map[rune]string{
	'b': "it reboots the machine",
	'c': "it crashes the kernel",
	'e': "it terminates every process but PID 1, the probe too",
	'f': "it kills a process of the guest, which other probes need",
	'g': "it stops the kernel in its debugger; the scenario kgdb presses it",
	'i': "it kills every process but PID 1, the probe too",
	'o': "it powers the machine off",
	'R': "it sends the whole log to the console again, which takes an emulated serial port minutes",
	'z': "it crashes a kernel that booted with tracefs locked, which has no trace buffer (kernel/trace/trace.c:trace_init_iter, v6.12)",
}

// LeftOut is the reason why a key is not pressed; empty if it is.
func LeftOut(key rune) string { return leftOut[key] }

// Keys lists the keys that are pressed: all that the kernel's table has room for
// (drivers/tty/sysrq.c:sysrq_key_table_key2index, v6.12) but those left out. The
// digits, which change what the console shows, come last.
func Keys() (keys []rune) {
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" {
		if leftOut[r] == "" {
			keys = append(keys, r)
		}
	}
	return keys
}

// Press presses every key, each with a write(2) of its own, and puts back what
// the keys change of the console.
func Press() observe.Report {
	level, r := consoleLevel()
	if r.Outcome != observe.Allowed {
		return r
	}
	fd, r := observe.Open(Trigger, unix.O_WRONLY)
	if r.Outcome != observe.Allowed {
		return observe.UnavailableIf(r, "CONFIG_MAGIC_SYSRQ", unix.ENOENT)
	}
	defer unix.Close(fd)
	defer setConsoleLevel(level)
	for _, key := range Keys() {
		if _, err := unix.Write(fd, []byte(string(key))); err != nil {
			return observe.SetupFailed(fmt.Sprintf("write(%q, %q)", Trigger, string(key)), err)
		}
	}
	return r
}

// consoleLevel is the level of the messages that the console shows, which keys
// change.
func consoleLevel() (level int, r observe.Report) {
	text, _ := observe.ReadBounded(printkFile)
	if _, err := fmt.Sscan(text, &level); err != nil {
		return 0, observe.SetupFailed(fmt.Sprintf("read(%q) = %q", printkFile, text), err)
	}
	return level, observe.Report{Outcome: observe.Allowed}
}

// setConsoleLevel sets it. Another user than root cannot write printkFile, whatever
// its capabilities (fs/proc/proc_sysctl.c:test_perm, v6.12).
func setConsoleLevel(level int) {
	const setLevel = 8 // SYSLOG_ACTION_CONSOLE_LEVEL: include/linux/syslog.h, v6.12
	_, _ = unix.Klogctl(setLevel, make([]byte, level))
}

// Help presses the key that lists the others.
func Help() observe.Report {
	r := observe.WithFile(Trigger, unix.O_WRONLY, func(fd int) observe.Report {
		_, err := unix.Write(fd, []byte("h"))
		return observe.FromError(observe.WriteCall(Trigger, "h"), err)
	})
	return observe.UnavailableIf(r, "CONFIG_MAGIC_SYSRQ", unix.ENOENT)
}
