package engine

import (
	"fmt"
	"io"
	"os"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/hostmem"
)

// ownMiB is what the lab's own kernels and their root file systems take of a guest's
// memory at most, in MiB. A guest of baseMiB has the rest for its work.
const ownMiB = 64

// memoryMiB is the RAM of a guest of the kernel in MiB, without its preforked children:
// what a larger kernel and a larger root file system take is added to it.
func (k *kernel) memoryMiB() int {
	head := make([]byte, arch.HeadSize)
	var used int64
	if f, err := os.Open(k.image()); err == nil { // the machine reports what it cannot read
		n, _ := io.ReadFull(f, head)
		f.Close()
		used = k.build.Arch.KernelMemory(head[:n])
	}
	if info, err := os.Stat(k.initrd); err == nil {
		used += 2 * info.Size() // as it was loaded, and unpacked
	}
	return baseMiB + max(0, int(used>>20)-ownMiB)
}

// checkMemory reports why the host cannot run a guest of the kernel; nil if it can, or
// if what it has is not known.
func (k *kernel) checkMemory() error {
	need, have := int64(k.memoryMiB()), hostmem.Available()>>20
	if have > 0 && need > have {
		return fmt.Errorf("kernel %s: with its root file system it needs a guest with %d MiB of memory, and this host has %d MiB left: give a smaller image, or free memory", k.build.Kernel.Name, need, have)
	}
	return nil
}
