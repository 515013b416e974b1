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
	mkdir  bool // the kernel creates no mount point for it
}

// mounts are mounted in this order; each may lie inside an earlier one.
var mounts = []mount{
	{fs: "proc", target: "/proc", needed: true, mkdir: true},    // comm, cmdline, /proc/self/exe
	{fs: "sysfs", target: "/sys", needed: true, mkdir: true},    // files that probes read; mount points of securityfs and others
	{fs: "devtmpfs", target: "/dev", needed: true, mkdir: true}, // the port, /dev/kmsg, nodes that probes open
	{fs: "securityfs", target: "/sys/kernel/security"},          // lockdown's interface
	{fs: "debugfs", target: "/sys/kernel/debug"},                // probes
	{fs: "tracefs", target: "/sys/kernel/tracing"},              // probes
	{fs: "configfs", target: "/sys/kernel/config"},              // probes: ACPI tables
}

// forShell are the mounts that only ldlab shell needs.
var forShell = []mount{
	{fs: "devpts", target: "/dev/pts", data: "ptmxmode=0666,mode=0620", mkdir: true},
	{fs: "tmpfs", target: "/tmp", mkdir: true},
}

// mountAll mounts what the kernel supports and returns what failed. A file
// system or a mount point that the kernel was built without is no error: a probe
// that needs it reports that it is unavailable.
func mountAll(mounts ...mount) (errs []string) {
	for _, m := range mounts {
		if m.mkdir {
			_ = unix.Mkdir(m.target, 0o755) // if it fails, so does the mount
		}
		err := unix.Mount(m.fs, m.target, m.fs, 0, m.data)
		switch {
		case err == nil, errors.Is(err, unix.EBUSY): // the kernel can have mounted devtmpfs
		case !m.needed && (errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT)):
		default:
			errs = append(errs, fmt.Sprintf("mount %s on %s: %v", m.fs, m.target, err))
		}
	}
	return errs
}
