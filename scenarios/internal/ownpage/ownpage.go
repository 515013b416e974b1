// Package ownpage has pages of this process whose content the process knows, and
// finds them in physical memory.
package ownpage

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Page is a page of this process that stays in memory until Close.
type Page struct {
	Bytes []byte // the page itself
}

// New returns a page with a pattern.
func New() (*Page, error) {
	b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("make a page: mmap: %w", err)
	}
	if err := unix.Mlock(b); err != nil {
		unix.Munmap(b)
		return nil, fmt.Errorf("make a page: mlock: %w", err)
	}
	p := &Page{b}
	p.Fill()
	return p, nil
}

// Close gives the page back.
func (p *Page) Close() { unix.Munmap(p.Bytes) }

// fills counts the patterns of this process.
var fills atomic.Uint64

// Pattern is b filled with a pattern that no page of this process had before.
// None of its bytes is 0, so that a string reaches to its end.
func Pattern(b []byte) []byte {
	n := fills.Add(1)
	for i := range b {
		if i%8 == 0 { // an odd factor: another word for each place and pattern
			word := (n<<40 ^ uint64(os.Getpid())<<20 ^ uint64(i/8)) * 0x9e3779b97f4a7c15
			var w [8]byte
			binary.BigEndian.PutUint64(w[:], word) // the upper bytes differ most
			copy(b[i:], w[:])
		}
		b[i] |= 1
	}
	return b
}

// Other is size bytes, skip bytes from the beginning of the page, each of which
// differs from the page's.
func (p *Page) Other(skip, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = ^p.Bytes[skip+i]
	}
	return b
}

// Fill gives the page another pattern.
func (p *Page) Fill() { Pattern(p.Bytes) }

// Address is where the page is in this process.
func (p *Page) Address() uint64 { return uint64(uintptr(unsafe.Pointer(&p.Bytes[0]))) }

// Entries of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst, v6.12.
const (
	pagemapPresent = 1 << 63
	pagemapFrame   = 1<<55 - 1
)

// Physical is where the page is in physical memory. The kernel may move it
// later, although it is locked in memory.
func (p *Page) Physical() (int64, error) {
	const file = "/proc/self/pagemap"
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("find a page: open(%q): %w", file, err)
	}
	defer unix.Close(fd)
	var b [8]byte
	size := uint64(os.Getpagesize())
	if _, err := unix.Pread(fd, b[:], int64(p.Address()/size*8)); err != nil {
		return 0, fmt.Errorf("find a page: read(%q): %w", file, err)
	}
	return frame(binary.LittleEndian.Uint64(b[:]), size)
}

// frame is the physical address of an entry of the page map.
func frame(entry, size uint64) (int64, error) {
	if entry&pagemapPresent == 0 || entry&pagemapFrame == 0 {
		return 0, fmt.Errorf("find a page: the page map has %#x", entry) // without CAP_SYS_ADMIN frames are 0
	}
	return int64(entry & pagemapFrame * size), nil
}

// Still reports whether the page is at that physical address.
func (p *Page) Still(at int64) bool {
	now, err := p.Physical()
	return err == nil && now == at
}
