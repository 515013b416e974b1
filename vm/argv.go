package vm

import (
	"fmt"
	"strconv"
	"strings"
)

// Descriptors that QEMU inherits: one end each of a socket pair. The first
// one in exec.Cmd.ExtraFiles is 3.
const (
	fdMonitor = 3 + iota
	fdPort
	fdConsole
	fdSerial
	fdEnd // a template's and a fork's own follow
)

// Argv is QEMU's command line, the binary first. It is a function of the
// Config alone: it looks at nothing else, and the same Config gives the same
// words.
func (c Config) Argv() ([]string, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	socket := func(fd int) string { return "socket,fd=" + strconv.Itoa(fd) }
	return c.argv(
		// Whoever holds the other end is the only one who can talk to the
		// monitor, the port or the console: no path, no TCP port.
		[]string{
			"-chardev", withID(socket(fdMonitor), "monitor"),
			"-qmp", "chardev:monitor", // QEMU 11 warns about -mon
			"-chardev", withID(socket(fdConsole), "console"),
			"-serial", "chardev:console",
		},
		socket(fdPort),
		socket(fdSerial),
	), nil
}

// byHand is the same machine with its console on the terminal (Ctrl-A X
// ends it), and nobody at the ports.
func (c Config) byHand() []string {
	return c.argv([]string{"-serial", "mon:stdio"}, "null", "null")
}

func (c Config) argv(consoles []string, port, serial string) []string {
	argv := []string{c.QEMU,
		"-nodefaults",      // no network, no disks, no display: only what is listed here
		"-no-user-config",  // the same machine on every host
		"-display", "none", // QEMU is a background process
		"-no-reboot",            // a reset ends QEMU: with panic=-1 so does a panic
		"-action", "panic=none", // a pvpanic event only reports; the panic text still has to reach the console
		// QEMU parses what an untrusted guest sends: it may not start
		// processes, gain rights, or change its scheduling.
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-machine", c.Arch.Machine,
		"-accel", string(c.Accel),
		"-cpu", c.cpu(),
		"-smp", strconv.Itoa(c.CPUs),
		"-m", strconv.Itoa(c.MemoryMiB),
	}
	devices := c.devices(consoles, port, serial)
	for _, d := range devices {
		argv = append(argv, d.Argv()...)
	}
	return append(argv,
		"-kernel", c.Kernel,
		"-initrd", c.Initrd,
		"-append", strings.Join(c.kernelArgs(devices), " "),
	)
}

func (c Config) cpu() string {
	if c.Accel == KVM {
		return c.Arch.CPUKVM
	}
	return c.Arch.CPUTCG
}

// kernelArgs are the kernel's arguments. The caller's come last, because the
// kernel takes the last one if one is given twice.
func (c Config) kernelArgs(devices []Device) []string {
	var args []string
	for _, d := range devices {
		args = append(args, d.KernelArgs()...)
	}
	args = append(args,
		"panic=-1",                             // restart at once, which -no-reboot makes an exit
		"quiet",                                // a bzImage's decompressor writes to the port too
		fmt.Sprintf("loglevel=%d", c.LogLevel), // every character of the console costs an exit from the guest
	)
	if c.Accel == TCG {
		// A Go program looks after itself every 20 us at first (runtime.sysmon).
		// On timers as coarse as the tick it rarely does: emulated, that saves a
		// fifth of a fork, and any sleep lasts some ticks of 10 ms.
		//
		// The initramfs stays where it was loaded: to overwrite and free it takes
		// 5 to 15 ms (init/initramfs.c:do_populate_rootfs, v6.12).
		args = append(args, "highres=off", "retain_initrd")
	}
	args = append(args, c.Arch.Append...)
	return append(args, c.Append...)
}

// withID names a chardev: its type comes first, then its options.
func withID(chardev, id string) string {
	kind, options, found := strings.Cut(chardev, ",")
	if found {
		options = "," + options
	}
	return kind + ",id=" + id + options
}
