package vm

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socketPair makes a connection: one end for the lab, one for QEMU to inherit.
func socketPair() (ours *os.File, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "lab"), os.NewFile(uintptr(fds[1]), "qemu"), nil
}
