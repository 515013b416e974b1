package fleet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report"
)

// TestBigShards merges ten shards of 100 MB each in less than 500 MB of memory, and
// reports the merge in every format, and compares it with itself.
// It needs 2 GB of disk, and a process of its own.
func TestBigShards(t *testing.T) {
	if os.Getenv("LDLAB_BIG") == "" {
		t.Skip("LDLAB_BIG is not set: make nightly runs this test")
	}
	const shards, each = 10, 100 << 20
	p := mustPlan(t, plan.Selection{Kernels: []string{"bitmap", "bitmap@7.2", "kunit"}, AllProbes: true})
	size := each * shards / len(p.Guests)
	line := strings.Repeat("Lockdown: a line of a log that is a hundred bytes long, with <signs> that JSON writes out as \\u003c\n", 10)
	fill := change{result: func(r *matrix.Result) bool {
		o := &r.Machines[0].Observations[0]
		for n := 0; n < size; n += len(line) + 20 {
			o.Log = append(o.Log, fmt.Sprint(n, line)) // each is another one
		}
		return true
	}}
	changes := map[int]change{}
	for k := range shards {
		changes[k+1] = fill
	}
	dirs := fakeShards(t, p, shards, changes)
	total := int64(0)
	for _, dir := range dirs {
		info, err := os.Stat(filepath.Join(dir, results.File))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	out := filepath.Join(t.TempDir(), "merged")
	m, err := Merge(out, dirs)
	if err != nil || m.Problems != nil || m.Guests != len(p.Guests) {
		t.Fatalf("%+v, %v", m, err)
	}
	memory(t, "merge", total)
	debug.SetMemoryLimit(350 << 20) // as verbs do that only read
	load := func() *matrix.Matrix {
		set, err := results.Survey(out)
		if err != nil {
			t.Fatal(err)
		}
		m, err := set.Matrix()
		if err != nil || len(m.Problems) > 0 {
			t.Fatalf("%v, %q", err, m.Problems)
		}
		return m
	}
	one := load()
	for _, f := range report.Formats() {
		if err := f.Write(io.Discard, report.Measurement{Matrix: one}); err != nil {
			t.Error(err)
		}
		memory(t, f.Name, total)
	}
	diff.Slim(one)
	if _, err := diff.Compare(one, load(), "", ""); err != nil {
		t.Error(err)
	}
	memory(t, "diff", total)
}

// memory wants the process to have needed less than 500 MB so far.
func memory(t *testing.T, what string, total int64) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s of %d MB: %d MB of memory", what, total>>20, kib>>10)
	if kib>>10 >= 500 {
		t.Errorf("%s: %d MB of memory, want less than 500", what, kib>>10)
	}
}
