package fleet

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

func TestFileRoundTrip(t *testing.T) {
	f := mustFile(t, mustPlan(t, two))
	text, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(text))
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, got, f)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("encoded again: %v, other bytes", err)
	}
}

// TestFileRefuses: a file that was edited is no plan.
func TestFileRefuses(t *testing.T) {
	f := mustFile(t, mustPlan(t, two))
	text, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, old, new, want string }{
		{"edited", `"kexec/load"`, `"kexec/loud"`, "its digest does not match"},
		{"a cost that was edited", `"Seconds": 6`, `"Seconds": 7`, "its digest does not match"},
		{"another format", `"Format": 1`, `"Format": 2`, "its format is 2, and this lab's is 1"},
		{"a field that is not known", `"Format": 1`, `"Format": 1, "Formed": 1`, "unknown field"},
		{"no JSON", "{", "", "it is not a plan"},
	} {
		edited := strings.Replace(string(text), test.old, test.new, 1)
		if edited == string(text) {
			t.Fatalf("%s: the file has no %s", test.name, test.old)
		}
		if _, err := Read(strings.NewReader(edited)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Read(bytes.NewReader(append(text, '{'))); err == nil {
		t.Error("more than one value: no error")
	}
}

// TestFileCheck: a program that expands the selection to something else is told.
func TestFileCheck(t *testing.T) {
	p := mustPlan(t, two)
	f := mustFile(t, p)
	if err := f.Check(p); err != nil {
		t.Fatal(err)
	}
	for what, sel := range map[string]plan.Selection{
		"tables of probes": {Kernels: two.Kernels, Probes: two.Probes[:1]},
		"guests":           {Kernels: two.Kernels, Probes: two.Probes, Arches: []string{"arm64"}},
	} {
		if err := f.Check(mustPlan(t, sel)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := *p
	other.Builds = append([]plan.Build(nil), p.Builds...)
	other.Builds[0].Identity.Config = "another"
	if err := f.Check(&other); err == nil || !strings.Contains(err.Error(), "the kernels stock x86_64 (configuration) differ") {
		t.Errorf("kernels: %v", err)
	}
	f.Kernels[0].Identity.SHA256, other.Builds[0].Identity = "old", p.Builds[0].Identity
	other.Builds[0].Identity.SHA256 = "new"
	if err := f.Check(&other); err == nil || !strings.Contains(err.Error(), "the kernels stock x86_64 ("+p.Builds[0].Identity.Source+") differ") {
		t.Errorf("a newer source: %v", err)
	}
}

// TestMark: a directory has one shard of one plan.
func TestMark(t *testing.T) {
	f, dir := mustFile(t, mustPlan(t, two)), filepath.Join(t.TempDir(), "out")
	for range 2 { // --resume
		if err := Mark(dir, f, Shard{1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := Mark(dir, f, Shard{2, 2}); err == nil || !strings.Contains(err.Error(), "shard 1/2 of this plan, and not 2/2") {
		t.Errorf("another shard: %v", err)
	}
	other := mustFile(t, mustPlan(t, plan.Selection{Probes: two.Probes}))
	if err := Mark(dir, other, Shard{1, 2}); err == nil || !strings.Contains(err.Error(), "another plan") {
		t.Errorf("another plan: %v", err)
	}
	run := t.TempDir()
	if err := os.WriteFile(filepath.Join(run, results.File), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Mark(run, f, Shard{1, 2}); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a run without a plan: %v", err)
	}
}

// TestCosts: what was measured counts, and the rest is scaled by it.
func TestCosts(t *testing.T) {
	p := mustPlan(t, plan.Selection{Kernels: []string{"bitmap"}, Probes: two.Probes, Arches: []string{"x86_64"}})
	table := mustFile(t, p)
	dir := fakeShards(t, p, 1, map[int]change{1: {
		header: func(h *matrix.Header) { h.Kernels[0].Calls = map[string]string{"a": "b"} }, // it counts its checks
		result: func(r *matrix.Result) bool {
			switch r.ID() {
			case table.Guests[0].ID:
				*r = fakeResult(r.Guest, "", 1000*int64(10*table.Guests[0].Seconds))
			case table.Guests[1].ID:
				*r = fakeResult(r.Guest, "", -1)
			default:
				return false
			}
			return true
		}}})[0]
	var costs Costs
	if err := costs.Add(dir); err != nil {
		t.Fatal(err)
	}
	f, err := New(p, costs, "test")
	if err != nil {
		t.Fatal(err)
	}
	if f.Digest == table.Digest {
		t.Error("other costs, and the same digest")
	}
	for i, g := range f.Guests { // the first took about ten times as long as in the table
		if was := table.Guests[i].Seconds; math.Abs(g.Seconds-10*was) > 2*was || was == 0 {
			t.Errorf("%s: %v s, and %v in the table", g.ID, g.Seconds, was)
		}
	}
	if err := costs.Add(t.TempDir()); err == nil {
		t.Error("no results: no error")
	}
}

// FuzzRead: a plan's file is read, or it is an error; what was read can be run.
func FuzzRead(f *testing.F) {
	text, err := mustFile(f, mustPlan(f, two)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"Format": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, where := range file.Assign(3) {
			if where < 0 || where > 2 {
				t.Fatalf("shard %d of 3", where)
			}
		}
	})
}
