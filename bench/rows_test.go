package main

import "testing"

func TestJudge(t *testing.T) {
	r := &Results{Measures: []Measure{
		{ID: "one", Samples: []float64{1}, Median: 1},
		{ID: "two", Samples: []float64{2}, Median: 2},
		{ID: "gone", Missing: "not installed"},
		{ID: "broke", Samples: []float64{1}, Median: 1, Missing: "died"},
		{ID: "none"},
	}}
	for _, tc := range []struct {
		name  string
		row   Row
		ratio float64
		want  Outcome
		why   string
	}{
		{"below", Row{Ours: "one", Other: "two", Target: 0.6}, 0.5, Met, ""},
		{"at", Row{Ours: "one", Other: "two", Target: 0.5}, 0.5, Met, ""},
		{"at, and should be below", Row{Ours: "one", Other: "two", Target: 0.5, Below: true}, 0.5, NotMet, ""},
		{"above", Row{Ours: "two", Other: "one", Target: 1.3}, 2, NotMet, ""},
		{"no target", Row{Ours: "two", Other: "one"}, 2, "", ""},
		{"alone", Row{Ours: "one"}, 0, "", ""},
		{"other missing", Row{Ours: "one", Other: "gone", Target: 1}, 0, NotMeasured, "not installed"},
		{"ours missing", Row{Ours: "gone", Other: "one", Target: 1}, 0, NotMeasured, "not installed"},
		{"missing after samples", Row{Ours: "one", Other: "broke", Target: 2}, 0, NotMeasured, "died"},
		{"without samples", Row{Ours: "one", Other: "none", Target: 2}, 0, NotMeasured, "no samples"},
		{"other unknown", Row{Ours: "one", Other: "?", Target: 2}, 0, NotMeasured, "no subject of this run"},
		{"stale", Row{Ours: "one", Other: "two", Target: 0.1, Ratio: 7, Outcome: Met, Why: "x"}, 0.5, NotMet, ""},
	} {
		got := judge([]Row{tc.row}, r)
		if len(got) != 1 || got[0].Ratio != tc.ratio || got[0].Outcome != tc.want || got[0].Why != tc.why {
			t.Errorf("%s: %+v, want %v %q %q", tc.name, got, tc.ratio, tc.want, tc.why)
		}
	}
	if got := judge([]Row{{Ours: "?", Other: "one"}}, r); len(got) != 0 {
		t.Errorf("a row about what was not looked at: %+v", got)
	}
}

// TestNamesAreKnown holds the tables against each other: a row or a bar of a
// measure that nobody takes would just never have a number.
func TestNamesAreKnown(t *testing.T) {
	unit := map[string]string{}
	for _, s := range subjects() {
		if unit[s.id] != "" {
			t.Errorf("two subjects %s", s.id)
		}
		if s.title == "" || s.unit == "" || s.open == nil {
			t.Errorf("subject %s is not complete", s.id)
		}
		unit[s.id] = s.unit
	}
	for _, row := range comparisons() {
		if unit[row.Ours] == "" || row.Other != "" && unit[row.Other] != unit[row.Ours] {
			t.Errorf("row %q compares %q %s with %q %s", row.What, row.Ours, unit[row.Ours], row.Other, unit[row.Other])
		}
		if (row.Other == "") != (row.Than == "") {
			t.Errorf("row %q: other %q has the name %q", row.What, row.Other, row.Than)
		}
	}
	for _, b := range bars {
		if unit[b.id] != "s" {
			t.Errorf("bar %q shows %s in %q", b.label, b.id, unit[b.id])
		}
	}
}
