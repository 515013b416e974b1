// Package kexec loads kexec images and unloads them.
package kexec

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// The loaded images have headers but no kernel: nothing here ever starts one.

// Flags of kexec_file_load: include/uapi/linux/kexec.h, v6.12.
const (
	fileUnload      = 1
	FileOnCrash     = 2
	fileNoInitramfs = 4
	FileDebug       = 8 // since v6.8
)

// A File is what kexec_file_load is given.
type File struct {
	What    string // for the report
	Path    string
	Missing string // why the probe is unavailable if there is no such file
	Broken  bool   // a byte that the file's signature covers is changed
	Flags   int
	Initrd  bool // with an initrd of one page; without one, KEXEC_FILE_NO_INITRAMFS is set
	Cmdline string
}

// Load loads the file with kexec_file_load, looks whether the kernel has an image,
// and unloads it.
func (f File) Load() observe.Report {
	call := fmt.Sprintf("kexec_file_load(%s, %q, %#x)", f.What, f.Cmdline, f.flags())
	fd, r := f.open()
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(fd)
	initrd := -1
	if f.Initrd {
		fd, err := memfd("initrd", make([]byte, os.Getpagesize()))
		if err != nil {
			return observe.SetupFailed("memfd_create", err)
		}
		defer unix.Close(fd)
		initrd = fd
	}
	s := slot{f.Flags&FileOnCrash != 0}
	if r, ok := s.empty(); !ok {
		return r
	}
	err := unix.KexecFileLoad(fd, initrd, f.Cmdline, f.flags())
	r = observe.UnavailableIf(observe.FromError(call, err), "CONFIG_KEXEC_FILE", unix.ENOSYS)
	return s.lookAndUnload(r)
}

func (f File) flags() int {
	if f.Initrd {
		return f.Flags
	}
	return f.Flags | fileNoInitramfs
}

// open opens the file, or a copy with one byte changed.
func (f File) open() (int, observe.Report) {
	fd, r := observe.Open(f.Path, unix.O_RDONLY)
	if r.Errno == observe.ErrnoName(unix.ENOENT) {
		r.Outcome, r.Why = observe.Unavailable, f.Missing
	}
	if r.Outcome != observe.Allowed || !f.Broken {
		return fd, r
	}
	unix.Close(fd)
	image, err := os.ReadFile(f.Path)
	if err != nil {
		return -1, observe.SetupFailed(fmt.Sprintf("read(%q)", f.Path), err)
	}
	last := lastSigned(image)
	if last < 0 {
		return -1, observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("read(%q)", f.Path), Why: "the image has no signature"}
	}
	image[last] ^= 0xff
	if fd, err = memfd("image", image); err != nil {
		return -1, observe.SetupFailed("memfd_create", err)
	}
	return fd, r
}

// lastSigned is the place of the last byte before the signature of a PE32+ file,
// which the signature covers; -1 if the file has none. Offsets are those of
// include/linux/pe.h, v6.12.
func lastSigned(image []byte) int {
	const certs = 24 + 112 + 4*8 // the fifth entry of the directory, from the PE header
	if len(image) < 0x40 {
		return -1
	}
	at := int64(binary.LittleEndian.Uint32(image[0x3c:])) + certs
	if at+4 > int64(len(image)) {
		return -1
	}
	begin := int64(binary.LittleEndian.Uint32(image[at:]))
	if begin == 0 || begin > int64(len(image)) {
		return -1
	}
	return int(begin) - 1
}

// memfd is a file in memory with the content.
func memfd(name string, content []byte) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if _, err := unix.Pwrite(fd, content, 0); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// A slot is a place for a loaded image: the kernel has one for the next reboot,
// and one for the time after a crash.
type slot struct{ crash bool }

// file shows whether the slot has an image.
func (s slot) file() string {
	if s.crash {
		return "/sys/kernel/kexec_crash_loaded"
	}
	return "/sys/kernel/kexec_loaded"
}

// empty is false if there is an image in the slot, with the report for that.
func (s slot) empty() (observe.Report, bool) {
	was, r := observe.ReadText(s.file())
	if r.Outcome == observe.Allowed && was != "0" {
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: "an image is loaded already"}, false
	}
	return r, true
}

// lookAndUnload adds to the report of an act whether there is an image in the
// slot, and empties it.
func (s slot) lookAndUnload(r observe.Report) observe.Report {
	if r.Outcome == observe.Unavailable {
		return r
	}
	is, look := observe.ReadText(s.file())
	seen := look.Outcome == observe.Allowed // without the file, only the errno is left
	if seen {
		r = r.Saw(is == "1", fmt.Sprintf("read(%q) = %q", s.file(), is))
	}
	if is == "1" || !seen && r.Outcome == observe.Allowed {
		if err := s.unload(); err != nil {
			r.Look += ", and it cannot be unloaded: " + observe.ErrnoName(err)
		}
	}
	return r
}

// unload empties the slot. kexec_file_load unloads whatever is locked
// (kernel/kexec_file.c, v6.12), kexec_load does not.
func (s slot) unload() error {
	flags := fileUnload
	crash := uintptr(0)
	if s.crash {
		flags, crash = flags|FileOnCrash, OnCrash
	}
	err := unix.KexecFileLoad(-1, -1, "", flags)
	if err != nil {
		err = load(0, nil, crash)
	}
	return err
}
