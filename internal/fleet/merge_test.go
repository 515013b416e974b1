package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestMergeIsIndependentOfShards: the bytes of a merge are those of the run in one
// piece, whatever the number of shards and the order of their directories.
func TestMergeIsIndependentOfShards(t *testing.T) {
	p := mustPlan(t, two)
	m, want := merged(t, fakeShards(t, p, 1, nil))
	if m.Problems != nil || m.Guests != len(p.Guests) {
		t.Fatalf("in one piece: %d guests, %q", m.Guests, m.Problems)
	}
	for _, n := range []int{2, 3, 7, len(p.Guests) + 2} {
		dirs := fakeShards(t, p, n, nil)
		for range 2 {
			m, got := merged(t, dirs)
			if m.Problems != nil {
				t.Fatalf("%d shards: %q", n, m.Problems)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d shards: other bytes than in one piece", n)
			}
			slices.Reverse(dirs)
		}
	}
	set, err := results.Load(filepath.Dir(writeFile(t, results.File, want)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Matrix(); err != nil {
		t.Error(err)
	}
}

// TestMergeKeepsMachines: each result names the machine that ran it.
func TestMergeKeepsMachines(t *testing.T) {
	p := mustPlan(t, two)
	named := func(name string) change {
		return change{result: func(r *matrix.Result) bool { r.Host.Machine = name; return true }}
	}
	m, text := merged(t, fakeShards(t, p, 2, map[int]change{1: named("one"), 2: named("two")}))
	if m.Problems != nil || len(m.Machines) != 2 || !strings.HasPrefix(m.Machines[0], "one; QEMU emulator version 7.2 with tcg") {
		t.Errorf("machines %q, problems %q", m.Machines, m.Problems)
	}
	have := map[string]int{}
	if _, err := results.Read(bytes.NewReader(text), func(r matrix.Result) error { have[r.Host.Machine]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if have["one"] == 0 || have["two"] == 0 || have["one"]+have["two"] != len(p.Guests) {
		t.Errorf("results by machine: %v", have)
	}
}

func writeFile(t testing.TB, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAudit: everything that is wrong with a shard is a line, and the rest is merged.
func TestAudit(t *testing.T) {
	p := mustPlan(t, two)
	all := len(p.Guests)
	f := mustSplit(t, p)
	second := f.guests(Shard{2, 3})
	last := second[0].ID // results are written in reverse
	// A kernel that two shards boot.
	var both matrix.Guest
	for _, g := range f.guests(Shard{1, 3}) {
		if slices.ContainsFunc(second, func(o Guest) bool { return o.Guest.Kernel == g.Guest.Kernel && o.Guest.Arch == g.Guest.Arch }) {
			both = g.Guest
		}
	}
	isBoth := func(g matrix.Guest) bool { return g.Kernel == both.Kernel && g.Arch == both.Arch }
	shared := 0
	for _, g := range second {
		if isBoth(g.Guest) {
			shared++
		}
	}
	if shared == 0 {
		t.Fatal("no kernel is in two shards")
	}
	edit := func(t *testing.T, dir string, edit func([]byte) []byte) {
		t.Helper()
		name := filepath.Join(dir, results.File)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, edit(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	only := func(id string, alter func(*matrix.Result)) change {
		return change{result: func(r *matrix.Result) bool {
			if r.ID() == id {
				alter(r)
			}
			return true
		}}
	}
	for _, test := range []struct {
		name   string
		change change
		dirs   func(t *testing.T, dirs []string) []string
		lost   int // guests that are not merged
		lines  int // of problems; 0: any number, -1: none
		want   []string
	}{
		{name: "a shard is not there", dirs: func(_ *testing.T, d []string) []string { return []string{d[0], d[2]} }, lost: len(second),
			want: []string{"shard 2/3 (no directory) lacks", "run it with --shard 2/3"}},
		{name: "a shard twice", dirs: func(_ *testing.T, d []string) []string { return append(d, d[1]+"/.") },
			want: []string{"it is given twice"}},
		{name: "a guest is missing", change: change{result: func(r *matrix.Result) bool { return r.ID() != last }}, lost: 1,
			want: []string{"shard 2/3 (", "lacks 1 of", last, "--shard 2/3 --resume --out"}},
		{name: "the last line is cut", dirs: func(t *testing.T, d []string) []string {
			edit(t, d[1], func(b []byte) []byte { return b[:len(b)-10] })
			return d
		}, lost: 1, want: []string{"is cut off, as an interrupted write leaves it", "lacks 1 of"}},
		{name: "a line is damaged", dirs: func(t *testing.T, d []string) []string {
			edit(t, d[1], func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"Tries":1`), []byte(`"Tries":2`), 1)
			})
			return d
		}, lost: 1, want: []string{"its sum does not match", "lacks 1 of"}},
		{name: "a line is there twice", dirs: func(t *testing.T, d []string) []string {
			edit(t, d[1], func(b []byte) []byte {
				lines := bytes.SplitAfter(b, []byte("\n"))
				return append(b, lines[len(lines)-2]...)
			})
			return d
		}, want: []string{"guest " + last + " has two results, in ", ", lines ", "the same outcomes; one is kept"}},
		{name: "a guest is there twice, and differs", change: change{more: func(g matrix.Guest) []matrix.Result {
			if g.ID() != last {
				return nil
			}
			other := fakeResult(g, "a machine", 1000)
			other.Machines[0].Observations[0].Outcome = scenarios.Denied
			return []matrix.Result{other}
		}}, lost: 1, want: []string{"guest " + last + " has two results, in ", "different outcomes, and both are left out", "lacks 1 of"}},
		{name: "a cell is there twice", change: only(last, func(r *matrix.Result) {
			list := &r.Machines[0].Observations
			*list = append(*list, (*list)[0])
		}), want: []string{"is there twice, which proves nothing"}},
		{name: "a copy of a shard", dirs: func(t *testing.T, d []string) []string {
			dir := t.TempDir() + "/copy"
			if err := os.CopyFS(dir, os.DirFS(d[1])); err != nil {
				t.Fatal(err)
			}
			return append(d, dir)
		}, lines: 1, want: []string{fmt.Sprintf("%d guests, such as ", len(second)), "have two results, in ", "the same outcomes; one is kept"}},
		{name: "the results are not there", dirs: func(t *testing.T, d []string) []string {
			os.Remove(filepath.Join(d[1], results.File))
			return d
		}, lost: len(second), want: []string{"shard 2/3 has no results", "shard 2/3 (", "lacks"}},
		{name: "an earlier format", change: change{header: func(h *matrix.Header) { h.Format = matrix.OldestFormat }},
			lines: -1},
		{name: "a newer format", change: change{header: func(h *matrix.Header) { h.Format = matrix.Format + 1 }}, lost: len(second),
			want: []string{"this lab reads", "lacks"}},
		{name: "other rows", change: change{header: func(h *matrix.Header) { h.Rows = "others" }}, lost: len(second),
			want: []string{"other tables of probes", "lacks"}},
		{name: "guests of another plan", change: change{header: func(h *matrix.Header) { h.Plan = h.Plan[1:] }}, lost: len(second),
			want: []string{"its guests are not those of the plan", "lacks"}},
		{name: "another kernel", change: change{
			result: func(r *matrix.Result) bool {
				if isBoth(r.Guest) {
					r.Origin.ImageSHA256 = "another"
				}
				return true
			},
			header: func(h *matrix.Header) {
				i := slices.IndexFunc(h.Kernels, func(k matrix.Kernel) bool { return k.Name == both.Kernel && k.Arch == both.Arch })
				h.Kernels[i].Origin.ImageSHA256 = "another"
			}}, lost: shared, want: []string{"booted another image of kernel", "lacks"}},
		{name: "another QEMU", change: change{result: func(r *matrix.Result) bool { r.Host.QEMU = "QEMU emulator version 8"; return true }},
			want: []string{"ran on machines that differ", "unproven"}},
		{name: "the lab failed", change: only(last, func(r *matrix.Result) { r.End = matrix.End{Ending: matrix.FailedByLab, Detail: "no memory"} }),
			want: []string{"the lab failed in 1 of", last, "--resume"}},
		{name: "an unknown ending", change: only(last, func(r *matrix.Result) { r.End.Ending = "evaporated" }), lost: 1,
			want: []string{`unknown ending "evaporated"`, "lacks 1 of"}},
		{name: "an unknown outcome", change: only(last, func(r *matrix.Result) { r.Machines[0].Observations[0].Outcome = "maybe" }),
			want: []string{`unknown outcome "maybe"`}},
		{name: "a clock that goes backwards", change: only(last, func(r *matrix.Result) { r.Machines[0].Timing[1].MS = -5 }),
			want: []string{"the clock of its machine went backwards"}},
		{name: "a clock that is ahead", change: change{header: func(h *matrix.Header) { h.Started = "2999-01-02T03:04:05Z" }},
			want: []string{"its machine's clock is wrong"}},
		{name: "no time", change: change{header: func(h *matrix.Header) { h.Started = "" }},
			want: []string{"its header does not have when it began"}},
		{name: "a mutant", change: only(last, func(r *matrix.Result) { r.Mutant = "allow f+0x1/0x2" }), lost: 1,
			want: []string{"which shard 2/3 does not have", "lacks 1 of"}},
		{name: "no directory of a shard", dirs: func(t *testing.T, d []string) []string { return append(d, t.TempDir()) },
			want: []string{"no results of ldlab run --plan"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dirs := fakeShards(t, p, 3, map[int]change{2: test.change})
			if test.dirs != nil {
				dirs = test.dirs(t, dirs)
			}
			m, text := merged(t, dirs)
			if m.Guests != all-test.lost {
				t.Errorf("%d guests merged, want %d", m.Guests, all-test.lost)
			}
			if test.lines != 0 && len(m.Problems) != max(test.lines, 0) {
				t.Errorf("%d lines, want %d: %q", len(m.Problems), max(test.lines, 0), m.Problems)
			}
			lines := strings.Join(m.Problems, "\n")
			for _, want := range test.want {
				if !strings.Contains(lines, want) {
					t.Errorf("no line has %q:\n%s", want, lines)
				}
			}
			slices.Reverse(dirs)
			if again, other := merged(t, dirs); !bytes.Equal(text, other) || len(again.Problems) != len(m.Problems) {
				t.Error("another order of directories has another result")
			}
			set, err := results.Load(filepath.Dir(writeFile(t, results.File, text)))
			if err == nil {
				_, err = set.Matrix()
			}
			if err != nil {
				t.Errorf("no report of the merge: %v", err)
			}
		})
	}
}

// TestMergeRefuses: nothing is written if nothing can be merged.
func TestMergeRefuses(t *testing.T) {
	p := mustPlan(t, two)
	dirs := fakeShards(t, p, 2, nil)
	other := fakeShards(t, mustPlan(t, plan.Selection{Kernels: []string{"stock"}, Probes: two.Probes}), 2, nil)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := Merge(out, []string{dirs[0], other[1]}); !errors.Is(err, ErrPlans) {
		t.Errorf("two plans: %v", err)
	}
	if _, err := Merge(out, []string{t.TempDir()}); err == nil {
		t.Error("no shard: no error")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a merge that failed wrote something")
	}
	if _, err := Merge(dirs[0], dirs); !errors.Is(err, results.ErrThere) {
		t.Errorf("into a shard: %v", err)
	}
}

// TestConsoleIsCopied: what the report of a lost guest names is beside it.
func TestConsoleIsCopied(t *testing.T) {
	p := mustPlan(t, two)
	lost := p.Guests[3].ID()
	dirs := fakeShards(t, p, 1, map[int]change{1: {result: func(r *matrix.Result) bool {
		if r.ID() == lost {
			r.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Log: "consoles/x.log"}
		}
		return true
	}}})
	if err := os.MkdirAll(filepath.Join(dirs[0], "consoles"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], "consoles/x.log"), []byte("Kernel panic"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "merged")
	if _, err := Merge(out, dirs); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(out, "consoles/x.log")); err != nil || string(text) != "Kernel panic" {
		t.Errorf("console %q, %v", text, err)
	}
}
