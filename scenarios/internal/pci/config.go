package pci

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Registers of the configuration space: include/uapi/linux/pci_regs.h, v6.12.
const (
	commandRegister = 0x04
	// PCI_INTERRUPT_LINE: a scratch register for software, without effect. The
	// kernel has read it when it found the device.
	InterruptLine = 0x3c
)

// A write changes bits of a device's configuration.
type write struct {
	how    string // of writers; empty: pwrite
	mode   int    // of open(2)
	offset int64
	flip   []byte // the bits to change, as many bytes as are written
}

// writer is the call of that name, which writes bytes at an offset. The empty name
// is the first of the calls that an act is done with.
func writer(how string, c observe.Calls) (put func(fd int, b []byte, offset int64) (int, error), name string) {
	if how == "" {
		return c.Pwrite, c.Text("pwrite")
	}
	return writers[how], how
}

// writers are the other calls.
var writers = map[string]func(fd int, b []byte, offset int64) (int, error){
	"lseek, write": func(fd int, b []byte, offset int64) (int, error) {
		if _, err := unix.Seek(fd, offset, unix.SEEK_SET); err != nil {
			return 0, err
		}
		return unix.Write(fd, b)
	},
	"pwritev": func(fd int, b []byte, offset int64) (int, error) { return unix.Pwritev(fd, [][]byte{b}, offset) },
	"lseek, 32-bit write": func(fd int, b []byte, offset int64) (int, error) {
		if _, err := unix.Seek(fd, offset, unix.SEEK_SET); err != nil {
			return 0, err
		}
		return len(b), compat.Write.Do(compat.FD(fd), compat.Buffer{Data: b}, compat.Word(len(b)))
	},
	"pwritev of bytes": func(fd int, b []byte, offset int64) (int, error) {
		var list [][]byte
		for i := range b {
			list = append(list, b[i:i+1])
		}
		return unix.Pwritev(fd, list, offset)
	},
}

// WriteConfig changes the interrupt line through one file of a device's
// configuration, looks at it through the other one, and puts it back.
func WriteConfig(path, other string) observe.Report {
	return interruptLine(unix.O_RDWR).do(path, other)
}

// WriteConfigBy is WriteConfig with other calls.
func WriteConfigBy(c observe.Calls, path, other string) observe.Report {
	return interruptLine(unix.O_RDWR).doBy(c, path, other)
}

// interruptLine is the write of the act, through a file of that mode.
func interruptLine(mode int) write {
	return write{mode: mode, offset: InterruptLine, flip: []byte{0x55}}
}

func (w write) do(path, other string) observe.Report { return w.doBy(observe.Direct, path, other) }

func (w write) doBy(c observe.Calls, path, other string) observe.Report {
	put, call := writer(w.how, c)
	was, is := make([]byte, len(w.flip)), make([]byte, len(w.flip))
	look := fmt.Sprintf("pread(%q, %d, %#x)", other, len(was), w.offset)
	if err := readAt(other, was, w.offset); err != nil {
		return observe.SetupFailed(look, err)
	}
	want := bytes.Clone(was)
	for i, bits := range w.flip {
		want[i] ^= bits
	}
	return c.WithFile(path, w.mode, func(fd int) observe.Report {
		_, err := put(fd, want, w.offset)
		r := observe.FromError(fmt.Sprintf("%s(%q, %d, %#x)", call, path, len(want), w.offset), err)
		if err := readAt(other, is, w.offset); err != nil {
			return observe.SetupFailed(look, err)
		}
		r = r.Saw(!bytes.Equal(is, was), look+" = "+changed(was, is))
		if r.Effect == observe.Happened {
			_, err := put(fd, was, w.offset) // a kernel that refuses too late refuses this, too
			if readAt(other, is, w.offset) != nil || !bytes.Equal(is, was) {
				r.Look += ", and cannot be put back: " + observe.ErrnoName(err)
			}
		}
		return r
	})
}

// changed is the first byte that differs, or "as before".
func changed(was, is []byte) string {
	for i := range was {
		if was[i] != is[i] {
			return fmt.Sprintf("{[%d] = %#x}, before %#x", i, is[i], was[i])
		}
	}
	return "as before"
}

// VaryConfig writes registers of every kind in every size, by every call, and the
// interrupt line of every device.
func VaryConfig(d Device, file func(Device) (path, other string)) (list []observe.Variant) {
	path, other := file(d)
	for _, w := range configWrites() {
		list = append(list, w.do(path, other).Vary(w.String()))
	}
	for _, o := range observe.OtherFlags {
		list = append(list, interruptLine(unix.O_RDWR|o.Flags).do(path, other).Vary("O_RDWR|"+o.Name))
	}
	all, _ := devices()
	for _, each := range all {
		path, other := file(each)
		w := interruptLine(unix.O_RDWR)
		list = append(list, w.do(path, other).Vary(w.String()+" of "+path))
	}
	return list
}

// String is the write without its file.
func (w write) String() string {
	_, how := writer(w.how, observe.Direct)
	if w.mode != unix.O_RDWR {
		how = "O_WRONLY, " + how
	}
	return fmt.Sprintf("%s of %d at %#x", how, len(w.flip), w.offset)
}

// configWrites are the variants. In the pci-testdev the bytes from 0x40 on are
// without meaning, and QEMU lets all of them be written. Its bus mastering bit
// changes nothing, because it never masters the bus.
func configWrites() []write {
	flip := func(n int) []byte { return bytes.Repeat([]byte{0x55}, n) }
	at := func(n, i int, bits byte) []byte { b := make([]byte, n); b[i] = bits; return b }
	const busMaster, cacheLineSize, end = 1 << 2, 0x0c, 0x100
	list := []write{
		{offset: commandRegister, flip: at(1, 0, busMaster)},
		{offset: commandRegister, flip: at(2, 0, busMaster)},
		{offset: commandRegister, flip: at(4, 0, busMaster)},
		{offset: cacheLineSize, flip: flip(1)},
		{offset: InterruptLine, flip: at(2, 0, 0x55)},
		{offset: InterruptLine, flip: at(4, 0, 0x55)},
		{offset: InterruptLine - 1, flip: at(2, 1, 0x55)}, // two bytes apart
		{offset: InterruptLine, flip: at(64, 0, 0x55)},
		{offset: 0, flip: at(64, InterruptLine, 0x55)},
		{offset: 0, flip: at(end, InterruptLine, 0x55)},
		{offset: end - 1, flip: flip(1)},
		{offset: end - 4, flip: flip(4)},
		{offset: 0x80, flip: flip(64)},
	}
	for _, n := range []int{1, 2, 3, 4, 8, 64} {
		for offset := int64(0x40); offset < 0x44; offset++ {
			list = append(list, write{offset: offset, flip: flip(n)})
		}
	}
	for i := range list {
		list[i].mode = unix.O_RDWR
	}
	for _, how := range []string{"", "lseek, write", "pwritev", "pwritev of bytes", "lseek, 32-bit write"} {
		list = append(list, write{how: how, mode: unix.O_WRONLY, offset: InterruptLine, flip: flip(1)})
		if how != "" {
			list = append(list,
				write{how: how, mode: unix.O_RDWR, offset: InterruptLine, flip: flip(1)},
				write{how: how, mode: unix.O_RDWR, offset: 0x40, flip: flip(4)})
		}
	}
	return list
}

// ReadByte reads a byte.
func ReadByte(path string, offset int64) observe.Report {
	return observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		var b [1]byte
		_, err := unix.Pread(fd, b[:], offset)
		return observe.FromError(fmt.Sprintf("pread(%q, 1, %#x)", path, offset), err)
	})
}
