package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// TestShardTwice: of a shard that was run in two directories, each guest is merged once.
// A run that failed loses, and the names of the directories decide nothing.
func TestShardTwice(t *testing.T) {
	p := mustPlan(t, two)
	named := func(name string, failed bool) map[int]change {
		return map[int]change{1: {result: func(r *matrix.Result) bool {
			r.Host.Machine = name
			if failed {
				r.End = matrix.End{Ending: matrix.FailedByLab, Detail: "no memory"}
			}
			return true
		}}}
	}
	for _, test := range []struct{ firstFails, secondFails bool }{{false, false}, {true, false}, {false, true}} {
		dirs := slices.Concat(fakeShards(t, p, 1, named("one", test.firstFails)), fakeShards(t, p, 1, named("two", test.secondFails)))
		m, text := merged(t, dirs)
		// The same results in directories whose names are in the other order.
		dirs = slices.Concat(fakeShards(t, p, 1, named("two", test.secondFails)), fakeShards(t, p, 1, named("one", test.firstFails)))
		if _, other := merged(t, dirs); !bytes.Equal(text, other) {
			t.Error("the names of the directories decide which result is kept")
		}
		if m.Guests != len(p.Guests) || len(m.Problems) != 1 {
			t.Errorf("%d of %d guests, %q: want one line", m.Guests, len(p.Guests), m.Problems)
		}
		if _, err := results.Read(bytes.NewReader(text), func(r matrix.Result) error {
			if r.End.Failed() {
				t.Errorf("%+v: the run of %s that failed is kept", test, r.ID())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMergedHeader: a merge began when the first of its shards did, whichever that is,
// and names each version of the lab once.
func TestMergedHeader(t *testing.T) {
	p := mustPlan(t, two)
	began := func(at, lab string) change {
		return change{header: func(h *matrix.Header) { h.Started, h.Lab = at, lab }}
	}
	_, text := merged(t, fakeShards(t, p, 3, map[int]change{
		1: began("2026-01-02T03:04:06Z", "b, a"), 2: began("2026-01-02T03:04:04Z", "b"), 3: began("2026-01-02T03:04:05Z", "c"),
	}))
	h, err := results.Read(bytes.NewReader(text), func(matrix.Result) error { return nil })
	if err != nil || h.Started != "2026-01-02T03:04:04Z" || h.Lab != "a, b, c" || h.Digest != p.Digest() {
		t.Errorf("began %s, labs %q, digest %.12s, %v", h.Started, h.Lab, h.Digest, err)
	}
}

// TestGuestsThatNeverRun: a kernel that lacks a reason runs no guest that locks it, and
// none is missing.
func TestGuestsThatNeverRun(t *testing.T) {
	p := mustPlan(t, plan.Selection{Kernels: []string{"bitmap"}, Arches: []string{"x86_64"}, Probes: two.Probes, Settings: []string{"kexec@runtime"}})
	few := lockdown.KernelReasons{{Reason: "dev_mem", Label: "/dev/mem,kmem,port", Level: lockdown.Integrity}}
	lacks := map[int]change{1: {
		header: func(h *matrix.Header) { h.Kernels[0].Reasons = few },
		result: func(r *matrix.Result) bool { return !r.Setting.Locked() },
	}}
	if m, _ := merged(t, fakeShards(t, p, 1, lacks)); m.Guests != 1 || m.Problems != nil {
		t.Errorf("%d guests, %q", m.Guests, m.Problems)
	}
	c := lacks[1]
	c.header = nil
	lacks[1] = c
	if m, _ := merged(t, fakeShards(t, p, 1, lacks)); !strings.Contains(strings.Join(m.Problems, "\n"), "lacks 1 of 2 guests") {
		t.Errorf("a kernel that has the reason: %q", m.Problems)
	}
}

// TestTook: the machines of a guest run one after the other, or at once.
func TestTook(t *testing.T) {
	for _, test := range []struct {
		machines []float64
		counts   bool
		want     float64
	}{{[]float64{1, 4, 2}, true, 7}, {[]float64{1, 4, 2}, false, 4}, {[]float64{3, -1}, true, 0}, {[]float64{3, -1}, false, 0}, {nil, true, 0}} {
		if got := took(test.machines, test.counts); got != test.want {
			t.Errorf("%v, counts %v: %v s, want %v", test.machines, test.counts, got, test.want)
		}
	}
}

// TestMergeOfSecondRuns: second runs are merged with the first ones, whatever the number
// of shards, and count as no guests. One without its first run is left out.
func TestMergeOfSecondRuns(t *testing.T) {
	p := mustPlan(t, two)
	unsteady := p.Guests[len(p.Guests)/2].ID()
	shards := func(n int, first bool) []string {
		changes := map[int]change{}
		for k := 1; k <= n; k++ {
			changes[k] = change{
				result: func(r *matrix.Result) bool { return first || r.ID() != unsteady },
				more: func(g matrix.Guest) []matrix.Result {
					if g.ID() != unsteady {
						return nil
					}
					r := fakeResult(g, "a machine", 2000)
					r.Again = true
					return []matrix.Result{r}
				},
			}
		}
		return fakeShards(t, p, n, changes)
	}
	m, want := merged(t, shards(1, true))
	if m.Problems != nil || m.Guests != len(p.Guests) {
		t.Errorf("%d of %d guests, %q", m.Guests, len(p.Guests), m.Problems)
	}
	set, err := results.Load(filepath.Dir(writeFile(t, results.File, want)))
	if err != nil || len(set.Again) != 1 || set.Again[0].ID() != unsteady {
		t.Fatalf("%v, second runs %+v", err, set.Again)
	}
	if _, got := merged(t, shards(3, true)); !bytes.Equal(got, want) {
		t.Error("3 shards: other bytes than in one piece")
	}
	m, text := merged(t, shards(3, false))
	if m.Guests != len(p.Guests)-1 || len(m.Problems) != 1 || bytes.Contains(text, []byte(`"Again"`)) {
		t.Errorf("a second run without a first one: %d of %d guests, %q", m.Guests, len(p.Guests), m.Problems)
	}
}

// TestSecondRunOfItsShard: of a shard that was run twice, the second run that is merged is
// of the directory of the first one, whichever that is. If that has none, a line names the
// other.
func TestSecondRunOfItsShard(t *testing.T) {
	p := mustPlan(t, two)
	unsteady := p.Guests[len(p.Guests)/2].ID()
	shard := func(machine string, again bool) []string {
		return fakeShards(t, p, 1, map[int]change{1: {
			result: func(r *matrix.Result) bool { r.Host.Machine = machine; return true },
			more: func(g matrix.Guest) []matrix.Result {
				if g.ID() != unsteady || !again {
					return nil
				}
				r := fakeResult(g, machine, 2000)
				r.Again = true
				return []matrix.Result{r}
			},
		}})
	}
	ran := func(text []byte) (machines []string) {
		if _, err := results.Read(bytes.NewReader(text), func(r matrix.Result) error {
			if r.ID() == unsteady {
				machines = append(machines, r.Host.Machine)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return machines
	}
	alone := 0
	for i := range 8 { // which of two is kept depends on a digest
		one, other := fmt.Sprint("one ", i), fmt.Sprint("other ", i)
		m, text := merged(t, slices.Concat(shard(one, true), shard(other, true)))
		if got := ran(text); len(got) != 2 || got[0] != got[1] || len(m.Problems) != 2 {
			t.Errorf("both ran it twice: %q, %q", got, m.Problems)
		}
		m, text = merged(t, slices.Concat(shard(one, true), shard(other, false)))
		lines := strings.Join(m.Problems, "\n")
		switch got := ran(text); {
		case len(got) == 1 && got[0] == other && strings.Contains(lines, "the second run of guest "+unsteady+" is left out"):
			alone++
		case len(got) != 2 || got[0] != one || strings.Contains(lines, "is left out"):
			t.Errorf("one ran it twice: %q, %q", got, m.Problems)
		}
	}
	if alone == 0 || alone == 8 {
		t.Errorf("%d of 8 merges have the first run of the directory without a second one: both cases are needed", alone)
	}
}

// TestMergeOfFormat3: a configuration of bools is merged as one of this format.
func TestMergeOfFormat3(t *testing.T) {
	dirs := fakeShards(t, mustPlan(t, two), 1, map[int]change{1: {header: func(h *matrix.Header) {
		h.Format = matrix.OldestFormat
		for i := range h.Kernels {
			h.Kernels[i].Config = matrix.Config{"CONFIG_A": "y", "CONFIG_B": "n"}
		}
	}}})
	name := filepath.Join(dirs[0], results.File)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	var line struct{ Header json.RawMessage }
	if err := json.Unmarshal(head, &line); err != nil {
		t.Fatal(err)
	}
	doc := strings.NewReplacer(`"CONFIG_A":"y"`, `"CONFIG_A":true`, `"CONFIG_B":"n"`, `"CONFIG_B":false`).Replace(string(line.Header))
	if doc == string(line.Header) {
		t.Fatal("the header has no configuration")
	}
	text = fmt.Appendf(nil, "{\"sum\":\"%x\",\"header\":%s}\n%s", sha256.Sum256([]byte(doc)), doc, rest)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	m, text := merged(t, dirs)
	h, err := results.Read(bytes.NewReader(text), func(matrix.Result) error { return nil })
	if err != nil || m.Problems != nil || h.Format != matrix.Format || bytes.Contains(text, []byte(`:true`)) {
		t.Fatalf("format %d, %q, %v", h.Format, m.Problems, err)
	}
	for _, k := range h.Kernels {
		if want := (matrix.Config{"CONFIG_A": "y", "CONFIG_B": "n"}); !maps.Equal(k.Config, want) {
			t.Errorf("%s %s: configuration %v, want %v", k.Name, k.Arch, k.Config, want)
		}
	}
}
