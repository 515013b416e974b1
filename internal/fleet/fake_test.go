package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// mustPlan plans a selection of two kernels and both architectures.
func mustPlan(t testing.TB, sel plan.Selection) *plan.Plan {
	t.Helper()
	tables, err := kernels.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(tables, sel, kernels.Resolved{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var two = plan.Selection{Kernels: []string{"stock", "bitmap"}, Probes: []string{"devmem/open", "kexec/load"}}

func mustFile(t testing.TB, p *plan.Plan) *File {
	t.Helper()
	f, err := New(p, Costs{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// mustSplit is the plan's file with guests so slow that each kernel is in each shard.
func mustSplit(t testing.TB, p *plan.Plan) *File {
	t.Helper()
	f := mustFile(t, p)
	for i := range f.Guests {
		f.Guests[i].Seconds = 100
	}
	var err error
	if f.Digest, err = f.digest(); err != nil {
		t.Fatal(err)
	}
	return f
}

// fakeResult is the result of a guest, the same whichever machine runs it but for the
// machine's name and the times.
func fakeResult(g matrix.Guest, machine string, ms int64) matrix.Result {
	run := matrix.MachineRun{Timing: []matrix.Phase{{Name: "first probe", MS: ms / 2}, {Name: "end", MS: ms}}}
	for _, id := range g.Probes(two.Probes) {
		run.Observations = append(run.Observations, scenarios.Observation{Probe: id, Runs: 1, Report: scenarios.Report{Outcome: scenarios.Allowed, Call: "call = ok"}})
	}
	return matrix.Result{
		Guest: g, Tries: 1, Machines: []matrix.MachineRun{run}, Origin: fakeOrigin(g.Kernel, g.Arch),
		Host: matrix.Host{Arch: g.Arch, Accel: "tcg", QEMU: "QEMU emulator version 7.2 (Debian)", CPU: "max", Machine: machine},
	}
}

func fakeOrigin(kernel, arch string) matrix.Origin {
	return matrix.Origin{Base: "a base", ImageSHA256: "image of " + kernel + " " + arch, GuestSHA256: "guest of " + arch}
}

func fakeHeader(p *plan.Plan) matrix.Header {
	h := matrix.Header{Format: matrix.Format, Lab: "test", Started: "2026-01-02T03:04:05Z", Digest: p.Digest(), Plan: p.Guests, Probes: p.Probes, Rows: matrix.RowsDigest(p.Probes)}
	for _, b := range p.Builds {
		h.Kernels = append(h.Kernels, matrix.Kernel{Name: b.Kernel.Name, Arch: b.Arch.Name, Origin: fakeOrigin(b.Kernel.Name, b.Arch.Name)})
	}
	return h
}

// A change alters what a fake shard writes.
type change struct {
	header func(*matrix.Header)
	result func(*matrix.Result) bool // false: it is not written
	more   func(matrix.Guest) []matrix.Result
}

// fakeShards runs the plan in n shards, each in a directory of its own, whose results
// come in an order of their own. change alters the shard K.
func fakeShards(t testing.TB, p *plan.Plan, n int, changes map[int]change) (dirs []string) {
	t.Helper()
	f := mustSplit(t, p)
	for k := 1; k <= n; k++ {
		s := Shard{k, n}
		dir := filepath.Join(t.TempDir(), fmt.Sprintf("shard-%d", k))
		if err := Mark(dir, f, s); err != nil {
			t.Fatal(err)
		}
		part := f.Part(p, s)
		h := fakeHeader(part)
		c := changes[k]
		if c.header != nil {
			c.header(&h)
		}
		store, _, err := results.Open(dir, h, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		guests := slices.Clone(part.Guests)
		slices.Reverse(guests)
		for _, g := range guests {
			r := fakeResult(g, "a machine", 1000)
			var list []matrix.Result
			if c.result == nil || c.result(&r) {
				list = append(list, r)
			}
			if c.more != nil {
				list = append(list, c.more(g)...)
			}
			for _, r := range list {
				if err := store.Add(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		store.Close()
		dirs = append(dirs, dir)
	}
	return dirs
}

// merged merges and returns what was written.
func merged(t testing.TB, dirs []string) (*Merged, []byte) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "merged")
	m, err := Merge(out, dirs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, results.File))
	if err != nil {
		t.Fatal(err)
	}
	return m, text
}
