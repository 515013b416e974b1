package vfio

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// Registers of edu for its DMA, in bytes, and the place of its buffer: QEMU,
// docs/specs/edu.rst.
const (
	regSource  = 0x80
	regTarget  = 0x88
	regCount   = 0x90
	regCommand = 0x98

	run     = 1
	toGuest = 2 // else from the guest

	buffer = 0x40000 // 4096 bytes; QEMU ends if a transfer leaves it
	count  = 512     // bytes of a transfer
)

// Write has edu read a page of the process into its buffer and write it to another
// one, both by physical address, and looks whether that one has the pattern. The
// processor writes neither the buffer nor the second page.
func Write(ctx context.Context) observe.Report {
	if !observe.Exists(container) {
		return observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("stat(%q) = ENOENT", container), Why: "CONFIG_VFIO"}
	}
	if !observe.Exists(driver) {
		return observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("stat(%q) = ENOENT", driver), Why: "CONFIG_VFIO_PCI"}
	}
	was, r := observe.ReadText(modeFile)
	if r.Outcome != observe.Allowed {
		return observe.UnavailableIf(r, "CONFIG_VFIO_NOIOMMU", unix.ENOENT)
	}
	name, r := find()
	if r.Outcome != observe.Allowed {
		return r
	}
	if err := revive(name); err != nil {
		return observe.SetupFailed("find the edu anew", err)
	}
	if r = observe.WriteText(modeFile, "Y"); r.Outcome != observe.Allowed {
		return r.Saw(false, "nothing was written")
	}
	defer func() { _ = observe.WriteCommand(modeFile, was) }()
	defer unbind(name)
	group, r := bind(name)
	if r.Outcome != observe.Allowed {
		return r.Saw(false, "nothing was written")
	}
	d, r := open(group, name)
	defer d.close()
	if r.Outcome != observe.Allowed {
		return r.Saw(false, "nothing was written")
	}
	return d.copy(ctx, r)
}

// copy does the transfers and the look.
func (d *device) copy(ctx context.Context, r observe.Report) observe.Report {
	from, err := ownpage.New()
	if err != nil {
		return observe.SetupFailed("make a page", err)
	}
	defer from.Close()
	to, err := ownpage.New() // with another pattern
	if err != nil {
		return observe.SetupFailed("make a page", err)
	}
	defer to.Close()
	source, err := from.Physical()
	if err != nil {
		return observe.SetupFailed("find a page", err)
	}
	target, err := to.Physical()
	if err != nil {
		return observe.SetupFailed("find a page", err)
	}
	before := bytes.Clone(to.Bytes[:count])
	for _, t := range []transfer{{uint64(source), buffer, run}, {buffer, uint64(target), run | toGuest}} {
		if err := d.do(ctx, t); err != nil {
			return observe.SetupFailed("a transfer of edu", err)
		}
	}
	if !from.Still(source) || !to.Still(target) {
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: "the kernel has moved the pages"}
	}
	got := to.Bytes[:count]
	look := fmt.Sprintf("edu wrote % x... to the page at %#x, which has % x..., before % x...", from.Bytes[:4], target, got[:4], before[:4])
	return r.Saw(bytes.Equal(got, from.Bytes[:count]), look)
}

// A transfer of edu, of count bytes.
type transfer struct{ source, target, command uint64 }

// do starts a transfer and waits for its end, which takes 0.1 s of the machine's
// time (QEMU, hw/misc/edu.c).
func (d *device) do(ctx context.Context, t transfer) error {
	for _, w := range [][2]uint64{{regSource, t.source}, {regTarget, t.target}, {regCount, count}, {regCommand, t.command}} {
		atomic.StoreUint64(d.register(w[0]), w[1])
	}
	for atomic.LoadUint64(d.register(regCommand))&run != 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func (d *device) register(at uint64) *uint64 { return (*uint64)(unsafe.Pointer(&d.bar0[at])) }
