package physmem

import (
	"bytes"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// onMem opens the device and performs an act that looks. If the device cannot be
// opened, the act has done nothing.
func onMem(flags int, act func(fd int) observe.Report) observe.Report {
	return onMemBy(observe.Direct, flags, act)
}

// onMemBy is onMem with other calls.
func onMemBy(c observe.Calls, flags int, act func(fd int) observe.Report) observe.Report {
	return closed(observe.UnavailableIf(c.WithFile(MemFile, flags, act), "CONFIG_DEVMEM", unix.ENOENT, unix.ENXIO))
}

// closed adds to the report of an act without a look that nothing could be done.
func closed(r observe.Report) observe.Report {
	if r.Effect == "" {
		r = r.Saw(false, "the file is not open")
	}
	return r
}

// OpenMem opens the device and closes it.
func OpenMem(flags int) observe.Report {
	return observe.UnavailableIf(observe.WithFile(MemFile, flags, nil), "CONFIG_DEVMEM", unix.ENOENT, unix.ENXIO)
}

// strict is the report of an access to the page. CONFIG_STRICT_DEVMEM refuses
// those to RAM with EPERM after the device was opened (devmem_is_allowed,
// v6.12); the access is then made to what it leaves, if that is possible.
func strict(env observe.Env, r observe.Report, instead func() observe.Report) observe.Report {
	if r.Outcome != observe.Denied {
		return r
	}
	if instead != nil && runtime.GOARCH == "amd64" {
		return instead()
	}
	if !env.Setting.Locks("dev_mem") {
		r.Outcome, r.Why = observe.Unavailable, "CONFIG_STRICT_DEVMEM=n"
	}
	return r
}

// ReadOwn opens the device, reads the process's own page through it and
// compares.
func ReadOwn(env observe.Env) observe.Report { return reads[0].readOwn(env) }

// ReadMore are the other ways to read.
func ReadMore(env observe.Env) (list []observe.Variant) {
	for _, t := range reads[1:] {
		list = append(list, t.readOwn(env).Vary(t.name()))
	}
	return list
}

// ReadOwnBy is ReadOwn with other calls.
func ReadOwnBy(c observe.Calls, env observe.Env) observe.Report {
	t := transfer{c.Text("pread"), 0, page, c.Pread}
	return onMemBy(c, unix.O_RDONLY, func(fd int) observe.Report { return strict(env, withPage(t.reading(fd)), nil) })
}

// WriteOwnBy is WriteOwn with other calls.
func WriteOwnBy(c observe.Calls, env observe.Env) observe.Report {
	t := transfer{c.Text("pwrite"), 0, page, c.Pwrite}
	return onMemBy(c, unix.O_WRONLY, func(fd int) observe.Report { return strict(env, withPage(t.writing(fd)), nil) })
}

// reading and writing are the transfer through an open file.
func (t transfer) reading(fd int) func(*ownpage.Page, int64) observe.Report {
	return func(p *ownpage.Page, at int64) observe.Report { return t.read(fd, p, at) }
}

func (t transfer) writing(fd int) func(*ownpage.Page, int64) observe.Report {
	return func(p *ownpage.Page, at int64) observe.Report { return t.write(fd, p, at) }
}

func (t transfer) readOwn(env observe.Env) observe.Report {
	return onMem(unix.O_RDONLY, func(fd int) observe.Report {
		return strict(env, withPage(t.reading(fd)), func() observe.Report { return readBIOS(fd) })
	})
}

// WriteOwn opens the device, writes the process's own page through it and looks
// at the page.
func WriteOwn(env observe.Env) observe.Report { return writes[0].writeOwn(env, unix.O_WRONLY) }

// WriteMore are the other ways to write.
func WriteMore(env observe.Env) (list []observe.Variant) {
	for _, t := range writes {
		list = append(list, t.writeOwn(env, unix.O_RDWR).Vary("O_RDWR, "+t.name()))
	}
	return list
}

func (t transfer) writeOwn(env observe.Env, flags int) observe.Report {
	return onMem(flags, func(fd int) observe.Report { return strict(env, withPage(t.writing(fd)), nil) })
}

// A Mapping is how a page of the device is mapped.
type Mapping struct {
	name              string
	open, prot, flags int
}

// The mappings; each table's first one is the act.
var (
	readable = []Mapping{
		{"PROT_READ, MAP_SHARED", unix.O_RDONLY, unix.PROT_READ, unix.MAP_SHARED},
		{"PROT_READ, MAP_PRIVATE", unix.O_RDONLY, unix.PROT_READ, unix.MAP_PRIVATE},
		{"PROT_READ|PROT_EXEC, MAP_SHARED", unix.O_RDONLY, unix.PROT_READ | unix.PROT_EXEC, unix.MAP_SHARED},
		{"O_SYNC, PROT_READ, MAP_SHARED", unix.O_RDONLY | unix.O_SYNC, unix.PROT_READ, unix.MAP_SHARED},
		{"O_RDWR, PROT_READ, MAP_SHARED", unix.O_RDWR, unix.PROT_READ, unix.MAP_SHARED},
		{"PROT_READ, MAP_SHARED|MAP_POPULATE", unix.O_RDONLY, unix.PROT_READ, unix.MAP_SHARED | unix.MAP_POPULATE},
	}
	writable = []Mapping{
		{"PROT_READ|PROT_WRITE, MAP_SHARED", unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED},
		{"PROT_WRITE, MAP_SHARED", unix.O_RDWR, unix.PROT_WRITE, unix.MAP_SHARED},
		{"PROT_READ|PROT_WRITE|PROT_EXEC, MAP_SHARED", unix.O_RDWR, unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC, unix.MAP_SHARED},
	}
)

// call is the system call as strace prints it.
func (m Mapping) call(at int64) string { return fmt.Sprintf("mmap(%q, %s, %#x)", MemFile, m.name, at) }

// MapOwn maps the process's own page through the device and compares.
func MapOwn(env observe.Env) observe.Report { return readable[0].readOwn(env) }

// MapMore are the other mappings to read.
func MapMore(env observe.Env) (list []observe.Variant) {
	for _, m := range readable[1:] {
		list = append(list, m.readOwn(env).Vary(m.name))
	}
	return list
}

func (m Mapping) readOwn(env observe.Env) observe.Report {
	return onMem(m.open, func(fd int) observe.Report {
		r := withPage(func(p *ownpage.Page, at int64) observe.Report {
			return m.with(fd, at, page, func(b []byte) (bool, string) { return bytes.Equal(b, p.Bytes), compared(b, p.Bytes) })
		})
		return strict(env, r, func() observe.Report { return m.with(fd, biosStart, biosSize, isBIOS) })
	})
}

// MapWriteOwn maps the process's own page through the device, writes there and
// looks at the page.
func MapWriteOwn(env observe.Env) observe.Report { return writable[0].writeOwn(env) }

// MapWriteMore are the other mappings to write.
func MapWriteMore(env observe.Env) (list []observe.Variant) {
	for _, m := range writable[1:] {
		list = append(list, m.writeOwn(env).Vary(m.name))
	}
	return list
}

func (m Mapping) writeOwn(env observe.Env) observe.Report {
	return onMem(m.open, func(fd int) observe.Report {
		return strict(env, withPage(func(p *ownpage.Page, at int64) observe.Report {
			other := p.Other(0, page)
			return m.with(fd, at, page, func(b []byte) (bool, string) {
				copy(b, other)
				return bytes.Equal(p.Bytes, other), fmt.Sprintf("the process's own page has % .8x, written was % .8x", p.Bytes[:8], other[:8])
			})
		}), nil)
	})
}

// with maps the device, looks, and unmaps it.
func (m Mapping) with(fd int, at int64, size int, look func(b []byte) (bool, string)) observe.Report {
	b, err := unix.Mmap(fd, at, size, m.prot, m.flags)
	r := observe.FromError(m.call(at), err)
	if err != nil {
		return r.Saw(false, "nothing is mapped")
	}
	defer unix.Munmap(b)
	return r.Saw(look(b))
}
