// Package compat makes system calls as a 32-bit program does. Some of these have
// code of their own in the kernel: a check that the 64-bit call has may be missing.
package compat

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A Syscall is a system call's number on each 32-bit machine: arch/x86/entry/
// syscalls/syscall_32.tbl and arch/arm64/tools/syscall_32.tbl, v6.12. 0 is none.
type Syscall struct {
	Name     string
	X86, ARM uint32
}

var (
	Write          = Syscall{"write", 4, 4}
	Open           = Syscall{"open", 5, 5}
	Ioctl          = Syscall{"ioctl", 54, 54}
	Ioperm         = Syscall{"ioperm", 101, 0}
	Iopl           = Syscall{"iopl", 110, 0}
	InitModule     = Syscall{"init_module", 128, 128}
	FinitModule    = Syscall{"finit_module", 350, 379}
	KexecLoad      = Syscall{"kexec_load", 283, 347}
	PerfEventOpen  = Syscall{"perf_event_open", 336, 364}
	PciconfigWrite = Syscall{"pciconfig_write", 0, 273}
)

// An Arg is an argument of a call: Word, FD or Buffer.
type Arg interface{ isArg() }

type (
	// Word is a number.
	Word uint32

	// FD is a file descriptor of this process.
	FD int

	// Buffer is memory below 4 GiB with the content; the argument is its
	// address. With SelfAt, the word there is the address, too.
	Buffer struct {
		Data   []byte
		SelfAt []int // offsets in bytes
	}
)

func (Word) isArg()   {}
func (FD) isArg()     {}
func (Buffer) isArg() {}

// at is the content as it is at an address.
func (b Buffer) at(addr uint32) []byte {
	data := append([]byte(nil), b.Data...)
	for _, at := range b.SelfAt {
		binary.LittleEndian.PutUint32(data[at:], addr)
	}
	return data
}

// maxArgs is the most arguments of a call here.
const maxArgs = 5

// An absentError is why no 32-bit call can be made: a CONFIG symbol, or a lack of
// the machine.
type absentError struct{ why string }

func (e absentError) Error() string { return e.why }

// noCompat is why if the kernel has no 32-bit calls.
const noCompat = "CONFIG_COMPAT"

// Absent makes the report of a call unavailable if err is that this machine has no
// 32-bit calls.
func Absent(r observe.Report, err error) observe.Report {
	var absent absentError
	if errors.As(err, &absent) {
		return observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: absent.why}
	}
	return r
}

// Report is the report of a call with the error of Do.
func Report(call string, err error) observe.Report {
	return Absent(observe.FromError(call, err), err)
}

// OpenFile is open(2) of a 32-bit program.
func OpenFile(path string, flags int) (int, error) {
	return Open.Value(Buffer{Data: append([]byte(path), 0)}, Word(flags|unix.O_CLOEXEC), Word(0))
}
