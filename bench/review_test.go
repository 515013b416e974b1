package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/kernels/patchset"
)

// The series of the benchmark is read as what it is, and each patch fits on the one
// before.
func TestThreePatches(t *testing.T) {
	s, err := patchset.Read("bench.mbox", strings.NewReader(threePatches("a\nb\nc\n", 7)))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Patches) != 3 {
		t.Fatalf("%d patches", len(s.Patches))
	}
	o := patchset.NewOverlay(fstest.MapFS{reviewFile: {Data: []byte("a\nb\nc\n")}}, "out")
	if err := o.Apply(s); err != nil {
		t.Fatal(err)
	}
	f, err := o.Read(reviewFile)
	if err != nil {
		t.Fatal(err)
	}
	want := "a\nb\nc\nstatic const int __used ldlab_bench_0 = 7;\nstatic const int __used ldlab_bench_1 = 7;\nstatic const int __used ldlab_bench_2 = 7;\n"
	if string(f.Data) != want {
		t.Errorf("the file is %q", f.Data)
	}
}

// A measure that is compared with no other has its limit.
func TestLimit(t *testing.T) {
	for _, tc := range []struct {
		median float64
		want   Outcome
	}{{59, Met}, {60, Met}, {61, NotMet}} {
		r := &Results{Measures: []Measure{{ID: "a", Unit: "s", Samples: []float64{tc.median}, Median: tc.median}}}
		rows := judge([]Row{{What: "a", Ours: "a", Limit: 60}}, r)
		if len(rows) != 1 || rows[0].Outcome != tc.want || target(rows[0], r) != "<= 60 s" {
			t.Errorf("%g s: %+v, %s", tc.median, rows, target(rows[0], r))
		}
	}
}
