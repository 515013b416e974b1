package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctlBytes does an ioctl whose argument is a buffer laid out by the caller.
func ioctlBytes(fd int, req uint, buf []byte) error {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
	if e != 0 {
		return e
	}
	return nil
}
