// Package physmem reads and writes memory through /dev/mem, /dev/port and
// /proc/kcore. What is read is compared with what is there: a page of this
// process, which the process finds in physical memory.
package physmem

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// MemFile is the device of physical memory.
const MemFile = "/dev/mem"

// withPage performs an act on a page of this process at its physical address.
func withPage(act func(p *ownpage.Page, at int64) observe.Report) observe.Report {
	p, err := ownpage.New()
	if err != nil {
		return observe.SetupFailed("mmap", err)
	}
	defer p.Close()
	return onPage(p, act)
}

// onPage performs an act on a page at its physical address, again if the kernel
// has moved the page meanwhile.
func onPage(p *ownpage.Page, act func(p *ownpage.Page, at int64) observe.Report) (r observe.Report) {
	for range 3 {
		at, err := p.Physical()
		if errors.Is(err, unix.ENOENT) {
			return observe.Report{Outcome: observe.Unavailable, Call: err.Error(), Why: "CONFIG_PROC_PAGE_MONITOR"}
		}
		if err != nil {
			return observe.SetupFailed("pread", err)
		}
		if r = act(p, at).After(r); p.Still(at) {
			break
		}
	}
	return r
}

// A transfer is a way to read or to write size bytes of the page, skip bytes
// from its beginning.
type transfer struct {
	call       string // the system call
	skip, size int
	do         func(fd int, b []byte, at int64) (int, error)
}

func seekTo(fd int, at int64) error {
	_, err := unix.Seek(fd, at, unix.SEEK_SET)
	return err
}

// half is b as a vector of two.
func half(b []byte) [][]byte { return [][]byte{b[:len(b)/2], b[len(b)/2:]} }

var page = os.Getpagesize()

// reads are the ways to read; the first is the act.
var reads = []transfer{
	{"pread", 0, page, unix.Pread},
	{"pread", 0, 1, unix.Pread},
	{"pread", page - 1, 1, unix.Pread},
	{"pread", 3, 8, unix.Pread},
	{"preadv", 0, page, func(fd int, b []byte, at int64) (int, error) { return unix.Preadv(fd, half(b), at) }},
	{"lseek, read", 0, page, func(fd int, b []byte, at int64) (int, error) {
		if err := seekTo(fd, at); err != nil {
			return 0, err
		}
		return unix.Read(fd, b)
	}},
}

// writes are the ways to write; the first is the act.
var writes = []transfer{
	{"pwrite", 0, page, unix.Pwrite},
	{"pwrite", 0, 1, unix.Pwrite},
	{"pwrite", page - 1, 1, unix.Pwrite},
	{"pwritev", 0, page, func(fd int, b []byte, at int64) (int, error) { return unix.Pwritev(fd, half(b), at) }},
	{"lseek, write", 0, page, func(fd int, b []byte, at int64) (int, error) {
		if err := seekTo(fd, at); err != nil {
			return 0, err
		}
		return unix.Write(fd, b)
	}},
}

// name is what differs from the act.
func (t transfer) name() string { return fmt.Sprintf("%s(%d bytes from %d)", t.call, t.size, t.skip) }

// read reads the page through the file and compares.
func (t transfer) read(fd int, p *ownpage.Page, at int64) observe.Report {
	b := make([]byte, t.size)
	n, err := t.do(fd, b, at+int64(t.skip))
	r := observe.FromError(fmt.Sprintf("%s(%q, %d, %#x) = %d", t.call, MemFile, t.size, at+int64(t.skip), n), err)
	return r.Brought(bytes.Equal(b, p.Bytes[t.skip:t.skip+t.size]), compared(b, p.Bytes[t.skip:]))
}

// compared is what was read beside what is there.
func compared(got, want []byte) string {
	return fmt.Sprintf("read % .8x, and the process's own page has % .8x", got[:min(8, len(got))], want[:min(8, len(want))])
}

// write writes another pattern through the file and looks at the page.
func (t transfer) write(fd int, p *ownpage.Page, at int64) observe.Report {
	b := p.Other(t.skip, t.size)
	n, err := t.do(fd, b, at+int64(t.skip))
	r := observe.FromError(fmt.Sprintf("%s(%q, %d, %#x) = %d", t.call, MemFile, t.size, at+int64(t.skip), n), err)
	got := p.Bytes[t.skip : t.skip+t.size]
	return r.Saw(bytes.Equal(got, b), fmt.Sprintf("the process's own page has % .8x, written was % .8x", got[:min(8, t.size)], b[:min(8, t.size)]))
}
