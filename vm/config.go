// Package vm runs one machine in QEMU: it starts it, keeps its console, talks
// to its monitor and to the guest program, determines how it ended, and leaves
// nothing behind. It knows nothing of lockdown, of building kernels, or of what
// is in an initramfs.
//
// What the guest did wrong is a value, an End (or a *GuestError with one) whose
// Cause.Guest is true. What the host did wrong is any other error: a *QEMUError
// if QEMU exited before its monitor answered.
//
// The guest is not trusted: every read from it is bounded in size and time.
package vm

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
)

// Accel is how QEMU runs the guest's instructions.
type Accel string

// The accelerators. The zero Accel is TCG.
const (
	TCG Accel = "tcg" // emulation
	KVM Accel = "kvm" // the host's processor; see SelfTest
)

const (
	defaultMemoryMiB = 256
	defaultLogLevel  = 3 // critical and worse
)

// Config describes a machine. Arch, Kernel and Initrd must be set; the zero
// value of every other field works.
type Config struct {
	Arch   *arch.Arch
	Kernel string   // path of an image that Arch.CheckImage takes
	Initrd string   // path of a cpio archive
	Append []string // kernel arguments beyond those that the machine needs

	// Devices come after those that every machine has: QEMU's monitor, the
	// board's console, the guest program's port, and pvpanic.
	Devices []Device

	MemoryMiB int   // guest memory; 0: 256
	CPUs      int   // guest processors; 0: 1
	LogLevel  int   // kernel messages below this level reach the console; 0: 3
	Accel     Accel // "": TCG

	// QEMU is the binary; "": Arch.QEMU from PATH.
	QEMU string

	// Dir is where the machine makes a directory of its own, for console,
	// QEMU's messages and command line; "": DefaultDir(). Close removes the
	// machine's directory.
	Dir string

	// Console receives what the guest writes to its console, as it comes.
	// Write is called from the one goroutine that drains the console, so a
	// Console that blocks stalls the guest. Errors are ignored.
	Console io.Writer

	// Pace is how slow the host is; nil: pace.Host(). It multiplies every
	// deadline, and is raised if this guest's boot takes longer than expected.
	Pace *pace.Pace

	// Scale multiplies the guest's timeouts; 0: the accelerator's scale
	// (see NominalScale) times Pace.
	Scale float64

	// BootTimeout is from the start of QEMU to the guest's first word, not
	// scaled; 0: 20 s times Scale.
	BootTimeout time.Duration
}

// NominalScale is how many times longer than natively a guest takes on a host
// of pace 1: Arch.Scale under TCG, 1 under KVM.
func (c Config) NominalScale() float64 {
	if c.Accel == KVM {
		return 1
	}
	return c.Arch.Scale
}

// DefaultDir is the parent of machines' directories where Config.Dir is empty.
func DefaultDir() string {
	return filepath.Join(os.TempDir(), "ldlab-vm-"+strconv.Itoa(os.Getuid()))
}

// withDefaults fills in what is zero, and refuses what cannot work. It does
// not look at the host.
func (c Config) withDefaults() (Config, error) {
	if c.Arch == nil {
		return c, fmt.Errorf("configure machine: no architecture")
	}
	if c.Kernel == "" {
		return c, fmt.Errorf("configure machine: no kernel")
	}
	if c.Initrd == "" {
		return c, fmt.Errorf("configure machine: no initrd")
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = defaultMemoryMiB
	}
	if c.MemoryMiB < 0 {
		return c, fmt.Errorf("configure machine: memory of %d MiB", c.MemoryMiB)
	}
	if c.CPUs == 0 {
		c.CPUs = 1 // a second one made boot no faster; see HACKING.md
	}
	if c.CPUs < 0 {
		return c, fmt.Errorf("configure machine: %d processors", c.CPUs)
	}
	if c.LogLevel == 0 {
		c.LogLevel = defaultLogLevel
	}
	switch c.Accel {
	case "":
		c.Accel = TCG
	case TCG:
	case KVM:
		if !c.Arch.Native() {
			return c, fmt.Errorf("configure machine: no KVM for %s on this host", c.Arch.Name)
		}
	default:
		return c, fmt.Errorf("configure machine: unknown accelerator %q", c.Accel)
	}
	if id := c.devices().repeated(); id != "" {
		return c, fmt.Errorf("configure machine: more than one device has the character device %q", id)
	}
	if c.QEMU == "" {
		c.QEMU = c.Arch.QEMU
	}
	if c.Dir == "" {
		c.Dir = DefaultDir()
	}
	if c.Scale == 0 {
		c.Scale = c.NominalScale() * c.Pace.Factor()
	}
	return c, nil
}

// checkFiles looks at the machine's files before QEMU does: its own messages are
// vague, and a wrong kernel writes nothing at all.
func (c Config) checkFiles() error {
	for _, d := range c.Devices {
		for _, path := range inputsOf(d) {
			_, err := os.Stat(path)
			switch {
			case err == nil:
			case bootsKernel(d):
				return fmt.Errorf("find firmware (Debian package %s): %w", c.Arch.FirmwarePackage, err)
			default:
				return fmt.Errorf("find file of device: %w", err)
			}
		}
	}
	kernel, err := checkFile("kernel", c.Kernel, c.Arch.CheckImage)
	if err != nil {
		return err
	}
	if _, err := checkFile("initrd", c.Initrd, checkInitrd); err != nil {
		return err
	}
	return c.checkMemory(kernel)
}

// checkFile reads the head of a file and checks it.
func checkFile(what, path string, check func([]byte) error) (head []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", what, err)
	}
	defer file.Close()
	if head, err = io.ReadAll(io.LimitReader(file, arch.HeadSize)); err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	if err := check(head); err != nil {
		return nil, fmt.Errorf("check %s %s: %w", what, path, err)
	}
	return head, nil
}

// checkMemory refuses a kernel and an initrd that do not fit into the machine's memory.
// The initrd is there twice: as it was loaded, and unpacked.
func (c Config) checkMemory(kernel []byte) error {
	info, err := os.Stat(c.Initrd)
	if err != nil {
		return fmt.Errorf("open initrd: %w", err)
	}
	const mib = 1 << 20
	k, i := c.Arch.KernelMemory(kernel)/mib, info.Size()/mib
	if need := k + 2*i; need >= int64(c.MemoryMiB) {
		return fmt.Errorf("check memory: the kernel %s takes %d MiB and the initrd twice its %d MiB, and the machine has %d MiB", c.Kernel, k, i, c.MemoryMiB)
	}
	return nil
}

// checkInitrd refuses an empty file, with which a kernel would boot, find no
// root file system and panic. Only the kernel knows whether the content is good:
// it reads more than one format.
func checkInitrd(head []byte) error {
	if len(head) == 0 {
		return fmt.Errorf("file is empty")
	}
	return nil
}
