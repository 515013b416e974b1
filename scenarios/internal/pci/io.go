package pci

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Offsets of an AHCI's registers and of the two I/O ports that reach them.
const (
	capRegister = 0x00 // CAP: what the controller can do, never 0
	ghcRegister = 0x04 // GHC
	indexPort   = 0x10 // AIDX: the register's offset
	dataPort    = 0x14 // ADATA: the register
)

// data is the register that the index names.
func (d Device) data() (uint32, error) {
	var b [4]byte
	err := readAt(d.IO(), b[:], dataPort)
	return binary.LittleEndian.Uint32(b[:]), err
}

// index is the offset of the register that ADATA is.
func (d Device) index() (uint32, error) {
	var b [4]byte
	err := readAt(d.IO(), b[:], indexPort)
	return binary.LittleEndian.Uint32(b[:]), err
}

// ident is CAP as the I/O ports have it. It is known only while the index is that
// of CAP, which it is until somebody writes it.
func (d Device) ident() (uint32, bool) {
	i, err := d.index()
	if err != nil || i != capRegister {
		return 0, false
	}
	v, err := d.data()
	return v, err == nil && v != 0 && v != 0xffffffff
}

// WriteIO writes the index and looks at the register that it names: CAP before,
// GHC then. The device whose ports do not answer gets the byte that it has.
func WriteIO(d Device) observe.Report { return ioWrite{mode: unix.O_RDWR, size: 4}.do(d) }

// An ioWrite is a way to write the index.
type ioWrite struct {
	how  string // of writers; empty: pwrite
	mode int    // of open(2)
	size int    // bytes
}

func (w ioWrite) do(d Device) observe.Report {
	path := d.IO()
	write, name := writer(w.how, observe.Direct)
	call := fmt.Sprintf("%s(%q, %d, %#x)", name, path, w.size, indexPort)
	if !d.answers {
		return rewrite(path)
	}
	put := func(fd int, index uint32) error {
		b := binary.LittleEndian.AppendUint32(nil, index)[:w.size]
		_, err := write(fd, b, indexPort)
		return err
	}
	look := fmt.Sprintf("pread(%q, 4, %#x)", path, dataPort)
	was, err := d.data()
	if err != nil {
		return observe.SetupFailed(look, err)
	}
	return observe.WithFile(path, w.mode, func(fd int) observe.Report {
		r := observe.FromError(call, put(fd, ghcRegister))
		is, err := d.data()
		if err != nil {
			return observe.SetupFailed(look, err)
		}
		r = r.Saw(is != was, fmt.Sprintf("%s = %#x, before %#x", look, is, was))
		if r.Effect == observe.Happened {
			err := put(fd, capRegister)
			if i, e := d.index(); e != nil || i != capRegister {
				r.Look += ", and cannot be put back: " + observe.ErrnoName(err)
			}
		}
		return r
	})
}

// rewrite writes back the first byte.
func rewrite(path string) observe.Report {
	return observe.WithFile(path, unix.O_RDWR, func(fd int) observe.Report {
		var b [1]byte
		if _, err := unix.Pread(fd, b[:], 0); err != nil {
			return observe.SetupFailed(fmt.Sprintf("pread(%q, 1, 0)", path), err)
		}
		_, err := unix.Pwrite(fd, b[:], 0)
		return observe.FromError(fmt.Sprintf("pwrite(%q, 1, 0)", path), err)
	})
}

// ioWrites are the variants: every size that the file takes, and every call.
var ioWrites = []ioWrite{
	{size: 1, mode: unix.O_RDWR}, {size: 2, mode: unix.O_RDWR}, {size: 4, mode: unix.O_WRONLY}, {size: 1, mode: unix.O_WRONLY},
	{how: "lseek, write", size: 4, mode: unix.O_RDWR}, {how: "pwritev", size: 2, mode: unix.O_RDWR},
	{how: "pwritev of bytes", size: 1, mode: unix.O_RDWR},
}

// VaryIO writes the index in the other ways, and as the act does through a file that
// was opened with other flags.
func VaryIO(d Device) (list []observe.Variant) {
	for _, w := range ioWrites {
		_, name := writer(w.how, observe.Direct)
		text := fmt.Sprintf("%s, %s of %d", observe.OpenCall("resource", w.mode), name, w.size)
		list = append(list, w.do(d).Vary(text))
	}
	for _, o := range observe.OtherFlags {
		list = append(list, ioWrite{mode: unix.O_RDWR | o.Flags, size: 4}.do(d).Vary("O_RDWR|"+o.Name))
	}
	return list
}
