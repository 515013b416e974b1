package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// rehearsal is the probe that is rehearsed: any one that changes nothing and for
// which lockdown is not asked.
const rehearsal = "module/list"

// rehearse answers a request that nobody made, to nobody. A guest that is
// going to be forked does so once: stacks are then grown, threads started,
// pages there and files looked up, and no fork has to do it again. It changes
// nothing in the kernel; what was counted and logged of the boot is kept.
func (g *guest) rehearse() {
	growStack()
	taken := *g.taken
	taken.counted = slices.Clone(taken.counted)
	var in bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Bitmap, Probes: []string{rehearsal}})
	r := newCellRun(g, io.Discard)
	r.counts = readCounts // what is counted meanwhile is for the first one who asks
	_ = r.answer(context.Background(), &in)
	g.taken = &taken
}

// rehearseChild is the same for a probe's child.
func rehearseChild(comm string) {
	growStack()
	j := job{probe: rehearsal, left: probeGivesUp}
	r := guestproto.Result(runJob(comm, strings.NewReader(j.String()), io.Discard, scenarios.Find))
	_ = vport.Write(io.Discard, &r)
}

// growStack makes the goroutine's stack so large that no probe is likely to have
// it copied.
//
//go:noinline
func growStack() byte {
	var room [16 << 10]byte
	return room[len(os.Args)]
}
