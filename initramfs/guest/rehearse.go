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

// rehearsal is the probe that is rehearsed. It changes nothing, and the kernel
// does not check lockdown for it.
const rehearsal = "module/list"

// rehearsalScale gives the rehearsal more time than the host gives a boot, so
// that its own limits never end it.
const rehearsalScale = maxScale

// A rehearsedMachine does not reset the kernel's counters: what they count
// meanwhile is for the first real request.
type rehearsedMachine struct{ machine }

func (rehearsedMachine) drainCounts() ([]scenarios.Check, bool, error) { return readCounts() }

// rehearse answers a request once and discards the answer, in a guest that will
// be forked. After that stacks have grown, threads have started, and pages and
// files are in memory, so that no fork has to repeat it. It changes nothing in
// the kernel and keeps the evidence of the boot.
func (g *guest) rehearse(ctx context.Context) {
	growStack()
	boot := *g.boot
	boot.counted = slices.Clone(boot.counted)
	var in bytes.Buffer
	_ = vport.Write(&in, &guestproto.Request{Version: vport.Version, Interface: lockdown.Bitmap, Scale: rehearsalScale, Probes: []string{rehearsal}})
	r := newCellRun(g, io.Discard)
	r.machine = rehearsedMachine{r.machine}
	_ = r.answer(ctx, &in)
	g.boot = &boot
	g.limits.Store(nil)
}

// rehearseChild does the same in a probe's child.
func rehearseChild(ctx context.Context, comm string) {
	growStack()
	j := job{probe: rehearsal, left: newLimits(rehearsalScale).act, task: taskAct}
	_ = runJob(ctx, comm, strings.NewReader(j.String()), io.Discard, scenarios.Find)
}

// growStack grows the goroutine's stack so far that a probe is unlikely to have
// it copied again.
//
//go:noinline
func growStack() byte {
	var room [16 << 10]byte
	return room[len(os.Args)]
}
