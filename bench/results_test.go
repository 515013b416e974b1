package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		samples []float64
		want    float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{9, 1, 2, 4}, 3},
	} {
		was := slices.Clone(tc.samples)
		if got := median(tc.samples); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.samples, got, tc.want)
		}
		if !slices.Equal(tc.samples, was) {
			t.Errorf("samples are %v now, and were %v", tc.samples, was)
		}
	}
}

func TestResultsRoundTrip(t *testing.T) {
	r := sample(t)
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	again, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := table(t, r), table(t, again); a != b {
		t.Errorf("read back, the results are others:\n%s\n%s", a, b)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"format": `{"Format": 99}`,
		"Speed":  `{"Format": 1, "Speed": 3}`,
		"EOF":    ``,
	} {
		path := filepath.Join(t.TempDir(), "r.json")
		if err := replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := read(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v, want an error about %s", text, err, name)
		}
	}
}

// TestCarry keeps what an earlier run measured, if that was here.
func TestCarry(t *testing.T) {
	here := Machine{CPU: "c", Cores: 2}
	old := &Results{Date: "yesterday", Machine: here, Measures: []Measure{{ID: "cold", Samples: []float64{400}, Median: 400}, {ID: "x", Samples: []float64{1}, Median: 1}}}
	fresh := func(m Machine) *Results {
		return &Results{Date: "today", Machine: m, Measures: []Measure{{ID: "cold", Missing: "takes minutes"}, {ID: "x", Missing: "broken"}}}
	}
	r := fresh(here)
	r.carry(old, "cold")
	if m := r.Measure("cold"); m.Median != 400 || m.Date != "yesterday" || m.Missing != "" {
		t.Errorf("carried over: %+v", m)
	}
	if m := r.Measure("x"); m.Missing != "broken" {
		t.Errorf("carried over unasked: %+v", m)
	}
	next := fresh(here)
	next.carry(r, "cold")
	if m := next.Measure("cold"); m.Date != "yesterday" {
		t.Errorf("carried over twice: %+v, want the date of the measurement", m)
	}
	for _, earlier := range []*Results{nil, {Date: "d", Machine: Machine{CPU: "other", Cores: 2}, Measures: old.Measures}} {
		r = fresh(here)
		r.carry(earlier, "cold")
		if m := r.Measure("cold"); m.Missing == "" {
			t.Errorf("carried over from %+v: %+v", earlier, m)
		}
	}
	measured := fresh(here)
	measured.Measures[0].add(300)
	measured.carry(old, "cold")
	if m := measured.Measure("cold"); m.Median != 300 || m.Date != "" {
		t.Errorf("a new measure was replaced: %+v", m)
	}
}
