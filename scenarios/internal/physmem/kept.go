package physmem

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// ReadLater opens the device and reads it now. Later it reads what the process's
// own page has by then.
func ReadLater() (func() observe.Report, observe.Report) {
	fd, r := observe.Open(MemFile, unix.O_RDONLY)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	own := func() observe.Report {
		return withPage(func(p *ownpage.Page, at int64) observe.Report { return reads[0].read(fd, p, at) })
	}
	bios := func() observe.Report { return readBIOS(fd) }
	if r = own(); r.Outcome == observe.Denied {
		own = bios
		r = strict(observe.Env{}, r, bios)
	}
	if r.Outcome != observe.Allowed {
		unix.Close(fd)
		return nil, r
	}
	return func() observe.Report {
		defer unix.Close(fd)
		return own()
	}, r
}

// MapLater maps the process's own page through the device now. Later it looks in
// the mapping for what the page has by then. Where RAM cannot be mapped, it maps
// the BIOS.
func MapLater() (later func() observe.Report, r observe.Report) {
	p, err := ownpage.New()
	if err != nil {
		return nil, observe.SetupFailed("mmap", err)
	}
	fd, r := observe.Open(MemFile, unix.O_RDONLY)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	defer unix.Close(fd)
	m := readable[0]
	keep := func(at int64, size int, look func(b []byte) observe.Report) observe.Report {
		b, err := unix.Mmap(fd, at, size, m.prot, m.flags)
		if err == nil {
			later = func() observe.Report {
				defer unix.Munmap(b)
				return look(b)
			}
		}
		return observe.FromError(m.call(at), err)
	}
	r = onPage(p, func(p *ownpage.Page, at int64) observe.Report {
		return keep(at, page, func(b []byte) observe.Report {
			p.Fill()
			r := observe.FromError("load from "+m.call(at), nil)
			if !p.Still(at) {
				return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: "the kernel has moved the page"}
			}
			return r.Saw(bytes.Equal(b, p.Bytes), compared(b, p.Bytes))
		})
	})
	r = strict(observe.Env{}, r, func() observe.Report {
		return keep(biosStart, biosSize, func(b []byte) observe.Report {
			return observe.FromError("load from "+m.call(biosStart), nil).Saw(isBIOS(b))
		})
	})
	return later, r
}
