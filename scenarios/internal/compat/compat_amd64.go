package compat

import (
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// int80 makes a 32-bit system call with int $0x80, which a 64-bit task may do, too
// (arch/x86/entry/entry_64_compat.S, v6.12). Without CONFIG_IA32_EMULATION the
// instruction faults.
func int80(nr, a, b, c, d, e uintptr) uintptr

// Native is set if this process makes the calls itself, so that what they return
// is its own.
const Native = true

// Do makes the call. The buffers are copies: what the kernel writes is lost.
func (s Syscall) Do(args ...Arg) error {
	_, err := s.Value(args...)
	return err
}

// Value makes the call and returns what it returns.
func (s Syscall) Value(args ...Arg) (int, error) {
	if s.X86 == 0 {
		return 0, absentError{"x86 has no " + s.Name}
	}
	var words [maxArgs]uintptr
	for i, arg := range args {
		switch arg := arg.(type) {
		case Word:
			words[i] = uintptr(arg)
		case FD:
			words[i] = uintptr(uint32(arg))
		case Buffer:
			m, err := unix.Mmap(-1, 0, len(arg.Data), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_32BIT)
			if err != nil {
				return 0, err
			}
			defer unix.Munmap(m)
			words[i] = uintptr(unsafe.Pointer(&m[0]))
			copy(m, arg.at(uint32(words[i])))
		}
	}
	return call(uintptr(s.X86), words)
}

func call(nr uintptr, w [maxArgs]uintptr) (value int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = absentError{noCompat}
		}
	}()
	ret := int32(int80(nr, w[0], w[1], w[2], w[3], w[4]))
	if ret < 0 {
		return 0, unix.Errno(-ret)
	}
	return int(ret), nil
}
