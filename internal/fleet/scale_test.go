package fleet

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

// TestScale computes what a fleet needs for a plan whose numbers are easy.
func TestScale(t *testing.T) {
	p := mustPlan(t, plan.Selection{Kernels: []string{"stock"}, Probes: two.Probes, Arches: []string{"x86_64"}})
	f := mustFile(t, p) // the control and two levels, each locked in two ways
	for i := range f.Guests {
		f.Guests[i].Seconds = 120
	}
	s := Scale{File: f, Within: 4 * time.Minute, Mutants: []Mutants{{Kernel: "stock", Arch: "x86_64", Guests: 95, Seconds: 95 * 120}}}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	// 100 guests of 2 minutes, 4 at once: 50 minutes on one machine. Eight on a machine
	// would end in time if the kernel's templates took none, so seven are on one of 15.
	for _, want := range []string{
		"| stock | x86_64 | 5 | 10.0 |\n", "| mutants of stock | x86_64 | 95 | 190.0 |\n", "| all | | 100 | 200.0 |\n",
		"| 1 | 50.0 |\n", "| 2 | 25.0 |\n", "needs 15 machines",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	s.Within = 30 * time.Second // a guest alone takes half as long as one of four
	b.Reset()
	if err := s.Write(&b); err != nil || !strings.Contains(b.String(), "No number of machines is enough") {
		t.Errorf("guests that take longer than the limit: %v\n%s", err, b.String())
	}
}

// TestScaleOfRuns reads how long shards and mutants took.
func TestScaleOfRuns(t *testing.T) {
	p := mustPlan(t, two)
	dirs := fakeShards(t, p, 3, map[int]change{2: {result: func(r *matrix.Result) bool { r.Mutant = "allow f+0x1/0x2"; return true }}})
	s := Scale{File: mustFile(t, p)}
	began, err := time.Parse(time.RFC3339, fakeHeader(p).Started)
	if err != nil {
		t.Fatal(err)
	}
	for i, dir := range dirs {
		ended := began.Add(time.Duration(i+1) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, results.File), ended, ended); err != nil {
			t.Fatal(err)
		}
		if err := s.AddShard(dir); err != nil {
			t.Fatal(err)
		}
	}
	if s.Shards[1].Shard != (Shard{2, 3}) || s.Shards[1].Measured != 120 || s.Shards[1].Guests == 0 || s.Shards[1].Estimated == 0 {
		t.Errorf("the second shard is %+v", s.Shards[1])
	}
	if err := s.AddMutants(dirs[1]); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, m := range s.Mutants {
		sum += m.Seconds
	}
	if want := float64(s.Shards[1].Guests); sum != want { // a second each
		t.Errorf("mutants of %v s, want %v", sum, want)
	}
	if s.AddShard(t.TempDir()) == nil || s.AddMutants(t.TempDir()) == nil {
		t.Error("no results: no error")
	}
}
