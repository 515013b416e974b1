//go:build !lean

package main

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// SSH names signals without SIG (RFC 4254, section 6.10).

func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return "KILL"
}

// signalNumber is 0 for an unknown name.
func signalNumber(name string) syscall.Signal { return unix.SignalNum("SIG" + name) }
