package physmem

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// KcoreFile is the kernel's memory as an ELF file.
const KcoreFile = "/proc/kcore"

// OpenKcore opens the file and closes it.
func OpenKcore() observe.Report { return NoKcore(observe.WithFile(KcoreFile, unix.O_RDONLY, nil)) }

// NoKcore makes the report of a kernel without the file Unavailable.
func NoKcore(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_PROC_KCORE", unix.ENOENT)
}

// ReadKcore reads the process's own page in the kernel's memory and compares.
func ReadKcore() observe.Report { return kcoreReads[0].readKcore(unix.O_RDONLY) }

// ReadKcoreBy is ReadKcore with other calls.
func ReadKcoreBy(c observe.Calls) observe.Report {
	return transfer{c.Text("pread"), 0, page, c.Pread}.readKcoreBy(c, unix.O_RDONLY)
}

// kcoreReads are the ways to read; the first is the act.
var kcoreReads = []transfer{
	{"pread", 0, page, unix.Pread},
	{"pread", 0, 1, unix.Pread},
	{"pread", page - 8, 8, unix.Pread},
	{"preadv", 0, page, func(fd int, b []byte, at int64) (int, error) { return unix.Preadv(fd, half(b), at) }},
	{"lseek, read", 0, page, func(fd int, b []byte, at int64) (int, error) {
		if err := seekTo(fd, at); err != nil {
			return 0, err
		}
		return unix.Read(fd, b)
	}},
}

// ReadKcoreMore are the other ways to open the file and to read.
func ReadKcoreMore() (list []observe.Variant) {
	for _, t := range kcoreReads[1:] {
		list = append(list, t.readKcore(unix.O_RDONLY).Vary(t.name()))
	}
	return append(list,
		kcoreReads[0].readKcore(unix.O_RDONLY|unix.O_NONBLOCK).Vary("O_RDONLY|O_NONBLOCK"),
		kcoreReads[0].readKcore(unix.O_RDWR).Vary("O_RDWR"), // the file is not written
		observe.OpenHandle(KcoreFile, unix.O_RDONLY).Vary("open through a handle of O_PATH"),
	)
}

func (t transfer) readKcore(flags int) observe.Report { return t.readKcoreBy(observe.Direct, flags) }

func (t transfer) readKcoreBy(c observe.Calls, flags int) observe.Report {
	return closed(NoKcore(c.WithFile(KcoreFile, flags, t.fromKcore)))
}

// fromKcore reads the page from the open file.
func (t transfer) fromKcore(fd int) observe.Report {
	segments, err := readSegments(fd)
	if err != nil {
		return observe.FromError(fmt.Sprintf("pread(%q, ELF header)", KcoreFile), err)
	}
	// The kernel may move the page between the look at its address and the read. Then
	// another page is tried.
	var r observe.Report
	for range 3 {
		if r = t.pageFromKcore(fd, segments); r.Outcome != observe.Allowed || r.Effect != observe.Nothing {
			break
		}
	}
	return r
}

// pageFromKcore reads a page of the process's own from the open file.
func (t transfer) pageFromKcore(fd int, segments []elf.Prog64) observe.Report {
	return withPage(func(p *ownpage.Page, at int64) observe.Report {
		from, ok := offsetOf(segments, uint64(at), uint64(page))
		if !ok {
			return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("pread(%q, program headers)", KcoreFile), Why: fmt.Sprintf("no segment has the physical address %#x", at)}
		}
		b := make([]byte, t.size)
		n, err := t.do(fd, b, from+int64(t.skip))
		r := observe.FromError(fmt.Sprintf("%s(%q, %d, %#x) = %d", t.call, KcoreFile, t.size, from+int64(t.skip), n), err)
		return r.Brought(bytes.Equal(b, p.Bytes[t.skip:t.skip+t.size]), compared(b, p.Bytes[t.skip:]))
	})
}

// maxSegments bounds the program headers; the kernel has one for each range of
// memory.
const maxSegments = 1 << 10

// readSegments reads the program headers.
func readSegments(fd int) ([]elf.Prog64, error) {
	var head [64]byte
	if _, err := unix.Pread(fd, head[:], 0); err != nil {
		return nil, err
	}
	var h elf.Header64
	if _, err := binary.Decode(head[:], binary.LittleEndian, &h); err != nil || string(h.Ident[:4]) != elf.ELFMAG {
		return nil, fmt.Errorf("no ELF header: % x", head[:4])
	}
	size := binary.Size(elf.Prog64{})
	b := make([]byte, size*min(int(h.Phnum), maxSegments))
	n, err := unix.Pread(fd, b, int64(h.Phoff))
	if err != nil {
		return nil, err
	}
	segments := make([]elf.Prog64, n/size)
	_, err = binary.Decode(b[:len(segments)*size], binary.LittleEndian, segments)
	return segments, err
}

// offsetOf is where the file has physical memory. Memory of the kernel's image is there
// twice: in the RAM, which is the larger segment, and where the image runs. Pages of its
// initialization are freed, and then unmapped where it runs
// (arch/arm64/mm/init.c:free_initmem, v6.12): a process that got such a page would read
// zeros there.
func offsetOf(segments []elf.Prog64, at, size uint64) (offset int64, ok bool) {
	var largest uint64
	for _, s := range segments {
		// What is no RAM has the address -1 (fs/proc/kcore.c:read_kcore_iter, v6.12).
		if s.Type == uint32(elf.PT_LOAD) && s.Paddr != ^uint64(0) && at >= s.Paddr && at-s.Paddr+size <= s.Memsz && s.Memsz > largest {
			offset, ok, largest = int64(s.Off+at-s.Paddr), true, s.Memsz
		}
	}
	return offset, ok
}

// ReadKcoreLater opens the file now. Later it reads what the process's own page
// has by then.
func ReadKcoreLater() (func() observe.Report, observe.Report) {
	return observe.OpenForLater(KcoreFile, unix.O_RDONLY, kcoreReads[0].fromKcore)
}
