package results

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

func survey(t *testing.T, text []byte) *Set {
	t.Helper()
	name := filepath.Join(t.TempDir(), File)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Survey(name)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func fileOf(t *testing.T, h matrix.Header, list ...matrix.Result) []byte {
	t.Helper()
	text, err := EncodeHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		line, err := EncodeResult(r)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, line...)
	}
	return text
}

// TestSurvey: a line that is damaged is a problem that names it, and the others are read.
// What a result of the usual size has is not changed.
func TestSurvey(t *testing.T) {
	h, list, text := sample(t)
	if set := survey(t, text); len(set.Problems) != 0 || !reflect.DeepEqual(set.Results, list) {
		t.Errorf("%q, %+v, want %+v", set.Problems, set.Results, list)
	}
	lines := bytes.SplitAfter(bytes.Clone(text), []byte("\n"))
	lines[2][len(lines[2])/2] ^= 1
	set := survey(t, bytes.Join(lines, nil))
	if len(set.Results) != 2 || len(set.Problems) != 1 || !strings.Contains(set.Problems[0], "line 3: ") {
		t.Fatalf("%d results, problems %q", len(set.Results), set.Problems)
	}
	m, err := set.Matrix()
	if err != nil || len(m.Problems) != 1 || m.AsExpected() || m.Count()[matrix.NotRun] != 1 {
		t.Errorf("%v, %q, %v: want a cell that did not run", err, m.Problems, m.Count())
	}
	if set := survey(t, text[:len(text)-9]); !set.Cut || len(set.Results) != 2 {
		t.Errorf("cut %v, %d results", set.Cut, len(set.Results))
	}
	long := append(append(bytes.Clone(lines[0]), bytes.Repeat([]byte("x"), maxLine+1)...), text[len(lines[0])-1:]...)
	if set := survey(t, long); len(set.Results) != 0 || len(set.Problems) != 1 || !strings.HasSuffix(set.Problems[0], "its guest is left out, and nothing after it could be read") {
		t.Errorf("a line that is too long: %d results, %q", len(set.Results), set.Problems)
	}
	h.Started = "yesterday"
	if set := survey(t, fileOf(t, h)); len(set.Problems) != 1 || !strings.Contains(set.Problems[0], "clock is wrong") {
		t.Errorf("it began yesterday: %q", set.Problems)
	}
}

func TestOdd(t *testing.T) {
	run := func(alter func(*matrix.MachineRun)) matrix.Result {
		m := matrix.MachineRun{Timing: []matrix.Phase{{Name: "a", MS: 1}, {Name: "b", MS: 2}, {Name: "c", MS: 3}},
			Observations: []scenarios.Observation{{Probe: "devmem/open", Report: scenarios.Report{Outcome: scenarios.Denied}}}}
		alter(&m)
		return matrix.Result{Machines: []matrix.MachineRun{m}}
	}
	for _, tt := range []struct {
		want  string
		alter func(*matrix.MachineRun)
	}{
		{"", func(*matrix.MachineRun) {}},
		{"is there twice", func(m *matrix.MachineRun) { m.Observations = append(m.Observations, m.Observations[0]) }},
		{`unknown outcome "maybe", which proves nothing`, func(m *matrix.MachineRun) { m.Observations[0].Outcome = "maybe" }},
		{"backwards", func(m *matrix.MachineRun) { m.Observations[0].Duration = -1 }},
		{"backwards", func(m *matrix.MachineRun) { m.Observations[0].StartNS = -1 }},
		{"backwards", func(m *matrix.MachineRun) { m.Timing[0].MS = -1 }},
		{`"b" after 0 ms, and before that 1 ms`, func(m *matrix.MachineRun) { m.Timing[1].MS = 0 }},
		{"backwards", func(m *matrix.MachineRun) { m.Timing[2].MS = 1 }},
	} {
		r := run(tt.alter)
		if got := strings.Join(Odd(&r), "\n"); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") || strings.Contains(got, "\n") {
			t.Errorf("%q, want one line with %q", got, tt.want)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for started, odd := range map[string]bool{"": false, "2026-01-02T03:04:05Z": false, "2026-01-03T03:04:00Z": false, "2026-01-04T03:04:05Z": true, "yesterday": true} {
		if got := OddStart(matrix.Header{Started: started}, now); (got != "") != odd {
			t.Errorf("%q: %q", started, got)
		}
	}
}

// TestSurveyCuts: of a log that is too long the first lines and the denials are kept,
// with a mark, so that the verdicts stay the same. Of a console the last lines are.
func TestSurveyCuts(t *testing.T) {
	h, list, _ := sample(t)
	denial := "Lockdown: ldp-1: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7"
	o := &list[1].Machines[0].Observations[0]
	o.Outcome, o.Comm, o.Call, o.Log = scenarios.Denied, "ldp-1", strings.Repeat("x", 2*maxText), []string{"the first line"}
	list[0].Machines[0].Observations[0].Outcome = scenarios.Allowed
	for i := range 100000 {
		o.Log = append(o.Log, fmt.Sprintf("a line without a denial %d", i))
	}
	o.Log = append(o.Log, denial, denial)
	list[1].End = matrix.End{Ending: matrix.LostByGuest, Console: append(append([]string{}, o.Log...), "the last line")}
	before, err := (&Set{Header: h, Results: list}).Matrix()
	if err != nil {
		t.Fatal(err)
	}
	set := survey(t, fileOf(t, h, list...))
	if len(set.Problems) != 0 {
		t.Fatalf("%q", set.Problems)
	}
	got := set.Results[1].Machines[0].Observations[0]
	text := strings.Join(got.Log, "\n")
	if len(text) > 2*maxLines || got.Log[0] != "the first line" || strings.Count(text, denial) != 1 || !strings.Contains(text, "[cut: ") {
		t.Errorf("a log of %d lines:\n%s", len(got.Log), text)
	}
	if len(got.Call) > maxText+50 || !strings.HasSuffix(got.Call, fmt.Sprintf("[cut: %d bytes]", maxText)) {
		t.Errorf("a call of %d bytes", len(got.Call))
	}
	console := set.Results[1].End.Console
	if len(console) > 1000 || !strings.Contains(console[0], "[cut: ") || console[len(console)-1] != "the last line" {
		t.Errorf("a console of %d lines", len(console))
	}
	after, err := set.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	for i := range before.Tables[0].Rows[0].Cells {
		b, a := before.Tables[0].Rows[0].Cells[i], after.Tables[0].Rows[0].Cells[i]
		if b.Verdict != a.Verdict || b.Rule != a.Rule {
			t.Errorf("%s by %s, and whole %s by %s", a.Verdict, a.Rule, b.Verdict, b.Rule)
		}
	}
	// Verdicts rest on each of these lines, so none is left out and the guest is none.
	list[1].Machines[0].Observations[0].Log = nil
	for i := range 1000 {
		list[1].Machines[0].Observations[0].Log = append(list[1].Machines[0].Observations[0].Log, strings.Replace(denial, "kmem", fmt.Sprint(i), 1))
	}
	if set := survey(t, fileOf(t, h, list...)); len(set.Results) != len(list)-1 || len(set.Problems) != 1 || !strings.Contains(set.Problems[0], "on which verdicts rest") {
		t.Errorf("%d results, %q", len(set.Results), set.Problems)
	}
}

// TestSurveyCounts: a guest is left out if one of its lists has more entries than a guest
// can have, and a text of any field is cut.
func TestSurveyCounts(t *testing.T) {
	h, list, _ := sample(t)
	const many = maxItems + 1
	for what, grow := range map[string]func(*matrix.Result){
		"machines": func(r *matrix.Result) { r.Machines = make([]matrix.MachineRun, many) },
		"states":   func(r *matrix.Result) { r.Machines[0].States = make([]scenarios.State, many) },
		"phases":   func(r *matrix.Result) { r.Machines[0].Timing = make([]matrix.Phase, many) },
		"marks": func(r *matrix.Result) {
			r.Machines[0].States = []scenarios.State{{Marks: make([]scenarios.Mark, many)}}
		},
		"checks":     func(r *matrix.Result) { r.Machines[0].Observations[0].Checks = make([]scenarios.Check, many) },
		"variants":   func(r *matrix.Result) { r.Machines[0].Observations[0].Variants = make([]scenarios.Variant, many) },
		"operations": func(r *matrix.Result) { r.Machines[0].Observations[0].Ops = make([]lockdown.Op, many) },
		"steps":      func(r *matrix.Result) { r.Machines[0].Observations[0].Steps = make([]scenarios.Step, many) },
		"arguments": func(r *matrix.Result) {
			r.Machines[0].Observations[0].Steps = []scenarios.Step{{Args: make([]string, many)}}
		},
		"observations": func(r *matrix.Result) { r.Machines[0].Observations = make([]scenarios.Observation, many) },
	} {
		r := list[0]
		r.Machines = []matrix.MachineRun{{Observations: slices.Clone(r.Machines[0].Observations)}}
		grow(&r)
		k := keeper{texts: map[string]string{}}
		if want, got := fmt.Sprintf("%d %s", many, what), k.keep(&r); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	long := strings.Repeat("x", 2*maxData)
	list[0].Machines[0].Profile = long
	list[0].Machines[0].Observations[0].Steps = []scenarios.Step{{Read: long, Err: long, Data: long, Log: long, Logged: []string{long, long}}}
	if text := fmt.Sprintf("%+v", survey(t, fileOf(t, h, list...)).Results[0]); len(text) > 3*maxData {
		t.Errorf("%d bytes are kept", len(text))
	}
}

// TestSurveyMemory: what is kept of results that are mostly logs is a small part of the
// file, although each line is another one.
func TestSurveyMemory(t *testing.T) {
	h, list, _ := sample(t)
	n := 0
	for i := range list {
		for j := range list[i].Machines[0].Observations {
			o := &list[i].Machines[0].Observations[j]
			for range 100000 {
				n++
				o.Log = append(o.Log, fmt.Sprintf("Lockdown: a line of a log that is about a hundred bytes long, and of which each is another one %d", n))
			}
		}
	}
	text := fileOf(t, h, list...)
	size := len(text)
	name := filepath.Join(t.TempDir(), File)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	list, text = nil, nil
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := Survey(name)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int(after.HeapAlloc) - int(before.HeapAlloc); kept > size/20 {
		t.Errorf("%d of %d bytes are kept", kept, size)
	}
	runtime.KeepAlive(set)
}
