package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A mount is one file system that PID 1 mounts.
type mount struct {
	fs     string
	target string
	data   string
	needed bool // without it the guest program itself cannot work
	mkdir  bool // the kernel gives no mount point for it
}

// mounts, in order: each may lie inside one before it.
var mounts = []mount{
	{fs: "proc", target: "/proc", needed: true, mkdir: true},    // comm, cmdline, /proc/self/exe
	{fs: "sysfs", target: "/sys", needed: true, mkdir: true},    // what probes read, securityfs below
	{fs: "devtmpfs", target: "/dev", needed: true, mkdir: true}, // the port, /dev/kmsg, what probes open
	{fs: "securityfs", target: "/sys/kernel/security"},          // lockdown's interface
	{fs: "debugfs", target: "/sys/kernel/debug"},                // probes
	{fs: "tracefs", target: "/sys/kernel/tracing"},              // probes
	{fs: "configfs", target: "/sys/kernel/config"},              // probes: ACPI tables
}

// forShell is what ldlab shell needs besides.
var forShell = []mount{
	{fs: "devpts", target: "/dev/pts", data: "ptmxmode=0666,mode=0620", mkdir: true},
	{fs: "tmpfs", target: "/tmp", mkdir: true},
}

// mountAll mounts what the kernel has, and tells what it could not. A file
// system or a mount point that the kernel was built without is no error: the
// probe that needs it says so.
func mountAll(mounts ...mount) (errs []string) {
	for _, m := range mounts {
		if m.mkdir {
			_ = unix.Mkdir(m.target, 0o755) // the mount tells
		}
		err := unix.Mount(m.fs, m.target, m.fs, 0, m.data)
		switch {
		case err == nil, errors.Is(err, unix.EBUSY): // devtmpfs can be there already
		case !m.needed && (errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT)):
		default:
			errs = append(errs, fmt.Sprintf("mount %s on %s: %v", m.fs, m.target, err))
		}
	}
	return errs
}
