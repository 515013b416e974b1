package msr

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A Way is a way to write a register.
type Way struct {
	call  string // as strace prints it, but for the register and the value
	write func(fd int, reg uint32, value uint64) error
}

// The ways to write a register.
var (
	Pwrite = Way{"pwrite(%q, 8, %#x, %#x)", func(fd int, reg uint32, value uint64) error {
		_, err := unix.Pwrite(fd, bytesOf(value, 1), int64(reg))
		return err
	}}
	// Pwrite16 writes the register twice (arch/x86/kernel/msr.c:msr_write).
	Pwrite16 = Way{"pwrite(%q, 16, %#x, %#x twice)", func(fd int, reg uint32, value uint64) error {
		_, err := unix.Pwrite(fd, bytesOf(value, 2), int64(reg))
		return err
	}}
	// Write writes at the descriptor's position.
	Write = Way{"lseek, write(%q, 8, %#x, %#x)", func(fd int, reg uint32, value uint64) error {
		if _, err := unix.Seek(fd, int64(reg), unix.SEEK_SET); err != nil {
			return err
		}
		_, err := unix.Write(fd, bytesOf(value, 1))
		return err
	}}
	Pwritev = Way{"pwritev(%q, 8, %#x, %#x)", func(fd int, reg uint32, value uint64) error {
		_, err := unix.Pwritev(fd, [][]byte{bytesOf(value, 1)}, int64(reg))
		return err
	}}
	Writev = Way{"lseek, writev(%q, {8, 8}, %#x, %#x twice)", func(fd int, reg uint32, value uint64) error {
		if _, err := unix.Seek(fd, int64(reg), unix.SEEK_SET); err != nil {
			return err
		}
		_, err := unix.Writev(fd, [][]byte{bytesOf(value, 1), bytesOf(value, 1)})
		return err
	}}
	Ioctl = Way{"ioctl(%q, X86_IOC_WRMSR_REGS, {ecx=%#x, edx:eax=%#x})", func(fd int, reg uint32, value uint64) error {
		return ioctl(fd, ioctlWrite, &Regs{0: uint32(value), 1: reg, 2: uint32(value >> 32)})
	}}
	// WriteCompat and IoctlCompat are calls of a 32-bit program.
	WriteCompat = Way{"lseek, 32-bit write(%q, 8, %#x, %#x)", func(fd int, reg uint32, value uint64) error {
		if _, err := unix.Seek(fd, int64(reg), unix.SEEK_SET); err != nil {
			return err
		}
		return compat.Write.Do(compat.FD(fd), compat.Buffer{Data: bytesOf(value, 1)}, compat.Word(8))
	}}
	IoctlCompat = Way{"32-bit ioctl(%q, X86_IOC_WRMSR_REGS, {ecx=%#x, edx:eax=%#x})", func(fd int, reg uint32, value uint64) error {
		regs := inMemory(Regs{0: uint32(value), 1: reg, 2: uint32(value >> 32)})
		return compat.Ioctl.Do(compat.FD(fd), compat.Word(ioctlWrite), compat.Buffer{Data: regs})
	}}
)

// By writes with other calls.
func By(c observe.Calls) Way {
	return Way{c.Text(Pwrite.call), func(fd int, reg uint32, value uint64) error {
		_, err := c.Pwrite(fd, bytesOf(value, 1), int64(reg))
		return err
	}}
}

// inMemory is the registers as the kernel reads them.
func inMemory(r Regs) (b []byte) {
	for _, word := range r {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return b
}

// bytesOf is the value n times, as the kernel takes it.
func bytesOf(value uint64, n int) (b []byte) {
	for range n {
		b = binary.LittleEndian.AppendUint64(b, value)
	}
	return b
}

// A target is a register that may have another value for a moment.
type target struct {
	reg  uint32
	flip uint64 // these bits
	// look reads the register.
	look func() (uint64, error)
	text string // the look as strace prints it
}

// tscAux is IA32_TSC_AUX. The kernel keeps the number of the processor there,
// masked by VDSO_CPUNODE_MASK, and the node above it: bit 31 is in the node's
// number, which only vdso's getcpu reads (arch/x86/include/asm/vdso/processor.h
// and arch/x86/entry/calling.h, v6.12). RDTSCP reads the register without the
// driver.
var tscAux = target{0xc0000103, 1 << 31, func() (uint64, error) { return uint64(rdtscp()), nil }, "rdtscp"}

// pat is entry 6 of IA32_PAT: UC- as is entry 2, which the kernel uses instead
// (arch/x86/mm/pat/memtype.c:pat_bp_init, v6.12). Without bit 0 it is WB. Only the
// driver reads the register.
var pat = target{PAT, 1 << 48, func() (uint64, error) { return readAgain(PAT) }, fmt.Sprintf("open, pread(%q, 8, %#x)", File, PAT)}

// changeable lists the registers that may have another value on this processor.
func changeable() []target {
	if hasRDTSCP() {
		return []target{tscAux, pat}
	}
	return []target{pat}
}

// readAgain reads a register through a descriptor of its own.
func readAgain(reg uint32) (uint64, error) {
	fd, err := unix.Open(File, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return pread(fd, reg)
}

// Change gives a register another value, looks whether it has it, and gives it
// the old one back.
func (w Way) Change(fd int) observe.Report { return w.change(fd, changeable()[0]) }

func (w Way) change(fd int, t target) observe.Report {
	defer onCPU0()()
	was, err := t.look()
	if err != nil {
		return observe.SetupFailed(t.text, err)
	}
	want := was ^ t.flip
	call := fmt.Sprintf(w.call, File, t.reg, want)
	err = w.write(fd, t.reg, want)
	r := observe.FromError(call, err)
	is, err := t.look()
	if err != nil {
		return observe.SetupFailed(t.text, err)
	}
	r = r.Saw(is != was, fmt.Sprintf("%s = %#x, before %#x", t.text, is, was))
	if is != was {
		err = w.write(fd, t.reg, was) // a kernel that refuses too late refuses this, too
		if is, e := t.look(); e != nil || is != was {
			r.Look += fmt.Sprintf(", and cannot be put back: %s", observe.ErrnoName(err))
		}
	}
	return r
}

// same writes a register's own value, which shows nothing.
func (w Way) same(fd int, reg uint32) observe.Report {
	defer onCPU0()()
	value, err := readAgain(reg)
	if err != nil {
		return observe.Report{Outcome: observe.Unavailable, Errno: observe.ErrnoName(err), Call: fmt.Sprintf("pread(%q, 8, %#x)", File, reg), Why: "the processor has no such register"}
	}
	return observe.FromError(fmt.Sprintf(w.call, File, reg, value), w.write(fd, reg, value))
}

// onCPU0 keeps the calling goroutine on the processor whose registers the file
// has, until the function it returns is called.
func onCPU0() (undo func()) {
	runtime.LockOSThread()
	var was, cpu0 unix.CPUSet
	cpu0.Set(0)
	if unix.SchedGetaffinity(0, &was) != nil || was.Count() < 2 {
		return runtime.UnlockOSThread
	}
	unix.SchedSetaffinity(0, &cpu0)
	return func() {
		unix.SchedSetaffinity(0, &was)
		runtime.UnlockOSThread()
	}
}

// Ways changes a register in each of the ways; in the first one, it also changes
// one through a file that was opened with other flags, and writes other registers
// as they are.
func Ways(ways ...Way) (list []observe.Variant) {
	for _, flags := range []int{unix.O_RDWR, unix.O_WRONLY} {
		for _, w := range ways {
			for _, t := range changeable() {
				list = append(list, WithFile(flags, func(fd int) observe.Report { return w.change(fd, t) }).
					Vary(observe.OpenCall(File, flags)+", "+fmt.Sprintf(w.call, File, t.reg, t.flip)))
			}
		}
	}
	for _, o := range observe.OtherFlags {
		list = append(list, WithFile(unix.O_RDWR|o.Flags, ways[0].Change).Vary("O_RDWR|"+o.Name))
	}
	for _, reg := range others {
		list = append(list, WithFile(unix.O_RDWR, func(fd int) observe.Report { return ways[0].same(fd, reg) }).
			Vary(fmt.Sprintf("register %#x as it is", reg)))
	}
	return list
}

// others are registers that decide what the processor executes, or that programs
// set: EFER, STAR, LSTAR, CSTAR, SFMASK, GS_BASE, SYSENTER_CS, _ESP and _EIP,
// MISC_ENABLE, ENERGY_PERF_BIAS, DEBUGCTL, MTRR_PHYSBASE0, MTRR_DEF_TYPE.
var others = []uint32{
	0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000101, 0x174, 0x175, 0x176,
	0x1a0, 0x1b0, 0x1d9, 0x200, 0x2ff,
}
