package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// warmMiB is how much memory is made ready, in MiB: a boot takes 130.
const warmMiB = 256

// warm takes memory and gives it back, so that there is some at hand for the
// next sample. A hypervisor that takes away what a virtual machine has freed
// (free page reporting) gives it back page by page, to the first process that touches
// it: one of three boots would take 100 ms longer, in the host's kernel.
func warm() error {
	b, err := unix.Mmap(-1, 0, warmMiB<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("warm memory: %w", err)
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // as QEMU does; where there are none it is as well
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
	}
	return unix.Munmap(b)
}
