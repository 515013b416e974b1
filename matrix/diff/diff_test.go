package diff

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// side makes a matrix of one kernel with the verdicts of one probe in two settings.
func side(kernel string, calls map[string]string, verdicts ...matrix.Verdict) *matrix.Matrix {
	t := matrix.Table{Kernel: kernel, Arch: "x86_64", Rows: []matrix.TableRow{{Probe: "a/b"}}}
	for i, v := range verdicts {
		t.Columns = append(t.Columns, matrix.Column{Setting: lockdown.Setting{Level: []lockdown.Level{lockdown.Integrity, lockdown.Confidentiality}[i]}})
		t.Rows[0].Cells = append(t.Rows[0].Cells, matrix.Cell{Judgment: matrix.Judgment{Verdict: v}})
	}
	return &matrix.Matrix{Header: matrix.Header{Kernels: []matrix.Kernel{{Name: kernel, Arch: "x86_64", Calls: calls, Asks: map[string]lockdown.Reason{"s1": "kexec", "s2": "kexec"}}}}, Tables: []matrix.Table{t}}
}

// Each change of a verdict has the kind that a reader looks for, and only those that
// were expected and are not any more are a regression.
func TestCompareKinds(t *testing.T) {
	for _, c := range []struct {
		before, now matrix.Verdict
		kind        ChangeKind
		regressed   bool
	}{
		{matrix.Enforced, matrix.Leak, NewlyLeaking, true},
		{matrix.Unproven, matrix.Leak, NewlyLeaking, false},
		{matrix.Open, matrix.Overblocked, NewlyUnexpected, true},
		{matrix.Enforced, matrix.Lost, NewlyLost, true},
		{matrix.Enforced, matrix.NotRun, NewlyLost, true},
		{matrix.Enforced, matrix.OpenGap, GapOpened, false},
		{matrix.Shadowed, matrix.Open, NewlyAllowed, false},
		{matrix.Open, matrix.Unavailable, NewlyUnavailable, false},
		{matrix.OpenGap, matrix.GapClosed, GapClosing, false},
		{matrix.OpenGap, matrix.Enforced, GapClosing, false},
		{matrix.Leak, matrix.Enforced, NewlyEnforced, false},
		{matrix.Unavailable, matrix.Enforced, NewlyEnforced, false},
		{matrix.Lost, matrix.Open, NewlyOpen, false},
		{matrix.Enforced, matrix.Known, NewlyKnown, false},
		{matrix.Known, matrix.Leak, NewlyLeaking, true},
		{matrix.Known, matrix.Enforced, NewlyEnforced, false},
		{matrix.Enforced, matrix.Flaky, NewlyFlaky, true},
		{matrix.Flaky, matrix.Enforced, NewlyEnforced, false},
		{matrix.Leak, matrix.Flaky, NewlyFlaky, false},
		{matrix.Shadowed, matrix.Enforced, OtherChange, false},
	} {
		list, err := Compare(side("k", nil, c.before, matrix.Open), side("k", nil, c.now, matrix.Open), "", "")
		if err != nil || len(list) != 1 || len(list[0].Changes) != 1 || list[0].Same != 1 {
			t.Fatalf("%s to %s: %v, %+v", c.before, c.now, err, list)
		}
		if got := list[0].Changes[0]; got.Kind != c.kind || list[0].Regressed() != c.regressed {
			t.Errorf("%s to %s: %s, regressed %v, want %s, %v", c.before, c.now, got.Kind, list[0].Regressed(), c.kind, c.regressed)
		}
		if !slices.Contains(ChangeKinds(), c.kind) {
			t.Errorf("%s is not in ChangeKinds", c.kind)
		}
	}
	list, err := Compare(side("k", nil, matrix.Open, matrix.Open), side("k", nil, matrix.NotPlanned, matrix.Open), "", "")
	if err != nil || len(list[0].Changes) != 0 || list[0].Same != 1 {
		t.Errorf("a cell that is not planned: %v, %+v", err, list)
	}
}

func TestCompareCalls(t *testing.T) {
	before := side("old", map[string]string{"s1": "a.c:f", "s2": "a.c:g"}, matrix.Enforced)
	now := side("new", map[string]string{"s1": "a.c:f", "s2": "a.c:f"}, matrix.Enforced)
	list, err := Compare(before, now, "old", "new")
	if err != nil || len(list) != 1 {
		t.Fatalf("%v: %+v", err, list)
	}
	want := []CallChange{{Call: "a.c:f", Reason: "kexec", Before: 1, Now: 2}, {Call: "a.c:g", Reason: "kexec", Before: 1}}
	if !slices.Equal(list[0].Calls, want) || len(list[0].Changes) != 0 {
		t.Errorf("%+v, want %+v", list[0], want)
	}
	unknown := side("new", nil, matrix.Enforced)
	if list, err := Compare(before, unknown, "old", "new"); err != nil || len(list[0].Calls) != 0 {
		t.Errorf("call sites that are not known: %v, %+v", err, list)
	}
	for _, names := range [][2]string{{"", ""}, {"old", "none"}} {
		if list, err := Compare(before, now, names[0], names[1]); err == nil {
			t.Errorf("%q: nothing is in both, and got %+v", names, list)
		}
	}
}

// What only one of both has is named, whichever it is: nothing is known of it.
func TestCompareMissing(t *testing.T) {
	two, one := side("k", nil, matrix.Open, matrix.Enforced), side("k", nil, matrix.Open)
	one.Tables[0].Rows = append(one.Tables[0].Rows, matrix.TableRow{Probe: "a/c", Cells: []matrix.Cell{{}}})
	for _, c := range []struct {
		before, now *matrix.Matrix
		want        []string
	}{
		{two, one, []string{"setting confidentiality@boot (gone)", "probe a/c (new)"}},
		{one, two, []string{"probe a/c (gone)", "setting confidentiality@boot (new)"}},
	} {
		list, err := Compare(c.before, c.now, "", "")
		if err != nil || !slices.Equal(list[0].Missing, c.want) {
			t.Errorf("%v: %q, want %q", err, list[0].Missing, c.want)
		}
	}
}

func TestMovedCalls(t *testing.T) {
	call := func(name, reason string, before, now int) CallChange {
		return CallChange{Call: name, Reason: lockdown.Reason(reason), Before: before, Now: now}
	}
	for _, c := range []struct {
		name string
		list []CallChange
		want string
	}{
		{"to another file", []CallChange{call("a.c:f", "kexec", 1, 0), call("b.c:f", "kexec", 0, 1)}, "b.c:f from a.c:f"},
		{"another function of the file", []CallChange{call("a.c:f", "kexec", 1, 0), call("a.c:g", "kexec", 0, 1)}, "a.c:f 1 0, a.c:g 0 1"},
		{"another reason", []CallChange{call("a.c:f", "kexec", 1, 0), call("b.c:f", "msr", 0, 1)}, "a.c:f 1 0, b.c:f 0 1"},
		{"another number", []CallChange{call("a.c:f", "kexec", 2, 0), call("b.c:f", "kexec", 0, 1)}, "a.c:f 2 0, b.c:f 0 1"},
		{"neither file nor function", []CallChange{call("a.c:f", "kexec", 1, 0), call("b.c:g", "kexec", 0, 1)}, "a.c:f 1 0, b.c:g 0 1"},
		{"the same function first", []CallChange{call("a.c:f", "kexec", 1, 0), call("a.c:g", "kexec", 0, 1), call("b.c:f", "kexec", 0, 1)}, "a.c:g 0 1, b.c:f from a.c:f"},
		{"one goes, one of two comes", []CallChange{call("a.c:f", "", 1, 0), call("b.c:f", "", 0, 1)}, "a.c:f 1 0, b.c:f 0 1"},
	} {
		var got []string
		for _, m := range moved(slices.Clone(c.list)) {
			if m.From != "" {
				got = append(got, m.Call+" from "+m.From)
				continue
			}
			got = append(got, strings.Join([]string{m.Call, string(rune('0' + m.Before)), string(rune('0' + m.Now))}, " "))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
	}
}

func TestCompareReasons(t *testing.T) {
	has := lockdown.KernelReasons{{Reason: "dev_mem"}, {Reason: "killswitch"}, {Reason: "tracefs"}}
	old := lockdown.KernelReasons{has[0], {Reason: "kcore"}}
	got := compareReasons(old, has)
	want := []ReasonChange{{"kcore", false}, {"killswitch", true}, {"tracefs", true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := compareReasons(nil, has); got != nil {
		t.Errorf("reasons that are not known: %+v", got)
	}
}

// TestTitleOfImages: two images are told apart, although both have one name.
func TestTitleOfImages(t *testing.T) {
	k := matrix.Kernel{Name: "image", Origin: matrix.Origin{Base: "/boot/vmlinuz-6.1", ImageSHA256: "0123456789abcdef", Ready: true, Release: "6.1.0-56-amd64"}}
	if got, want := titleOf(k), "image 6.1.0-56-amd64 (vmlinuz-6.1, sha256 0123456789ab)"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}
