package vm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// firstFD is the first descriptor that QEMU inherits. The machine's sockets come
// first (see deviceList.files), then the files of a Launch.
const firstFD = 3

// Argv is QEMU's command line, the binary first. It is a function of the
// Config alone: it looks at nothing else, and the same Config gives the same
// words.
func (c Config) Argv() ([]string, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	devices := c.devices()
	files := devices.files()
	// Whoever holds the other end is the only one who can talk to the monitor,
	// the port or the console: no path, no TCP port.
	return c.argv(devices, func(id string) string {
		return fmt.Sprintf("socket,id=%s,fd=%d", id, firstFD+slices.Index(files, id))
	}), nil
}

// byHand is the same machine with its console on the terminal (Ctrl-A X
// ends it), and nobody at the ports.
func (c Config) byHand() []string {
	return c.argv(c.devicesWith(terminal{boardConsole{c.Arch.Console}}), func(id string) string { return "null,id=" + id })
}

func (c Config) argv(devices deviceList, chardev func(id string) string) []string {
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
	argv = append(argv, devices.argv(chardev)...)
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
func (c Config) kernelArgs(devices deviceList) []string {
	args := append(devices.kernelArgs(),
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
