package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestMergeOfBigShards merges ten shards of 100 MB each in less than 500 MB of memory.
// It needs 2 GB of disk, and a process of its own.
func TestMergeOfBigShards(t *testing.T) {
	if os.Getenv("LDLAB_BIG") == "" {
		t.Skip("LDLAB_BIG is not set: make nightly runs this test")
	}
	const shards, each = 10, 100 << 20
	p := mustPlan(t, plan.Selection{Kernels: []string{"bitmap", "bitmap@7.2", "kunit"}, AllProbes: true})
	size := each * shards / len(p.Guests)
	line := strings.Repeat("Lockdown: a line of a log that is a hundred bytes long, with <signs> that JSON writes out as \\u003c\n", 10)
	fill := change{result: func(r *matrix.Result) bool {
		for n := 0; n < size; n += len(line) + 200 {
			r.Machines[0].Observations = append(r.Machines[0].Observations, scenarios.Observation{
				Probe: "devmem/open", Log: []string{line}, Report: scenarios.Report{Outcome: scenarios.Denied, Call: fmt.Sprint("call ", n)},
			})
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
	m, err := Merge(filepath.Join(t.TempDir(), "merged"), dirs)
	if err != nil || m.Problems != nil || m.Guests != len(p.Guests) {
		t.Fatalf("%+v, %v", m, err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB in %d shards: %d MB of memory", total>>20, shards, kib>>10)
	if kib>>10 >= 500 {
		t.Errorf("%d MB of memory, want less than 500", kib>>10)
	}
}
