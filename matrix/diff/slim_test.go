package diff

import (
	"reflect"
	"testing"
	"time"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestSlim: a comparison of matrices from which Slim took most is the same.
func TestSlim(t *testing.T) {
	run := func(took time.Duration) *matrix.Matrix {
		times := []time.Duration{took, took, took}
		m := &matrix.Matrix{Tables: []matrix.Table{timed(matrix.Host{QEMU: "QEMU 7.2"}, times, times)}}
		for i := range m.Tables[0].Rows[0].Cells {
			m.Tables[0].Rows[0].Cells[i].Observed.Variants = []scenarios.Variant{{Args: "again"}}
		}
		return m
	}
	a, b := run(time.Second), run(time.Minute)
	want, err := Compare(a, b, "", "")
	if err != nil || len(want[0].Slower) == 0 {
		t.Fatalf("%v, %+v", err, want)
	}
	Slim(a)
	Slim(b)
	if got, err := Compare(a, b, "", ""); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %+v, want %+v", err, got, want)
	}
	if n := len(a.Tables[0].Rows[0].Cells[0].Observed.Variants); n != 0 {
		t.Errorf("%d variants are kept", n)
	}
}
