package known

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/strictyaml"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

var today = time.Date(2026, 12, 31, 23, 30, 0, 0, time.FixedZone("", -9*3600))

// item is an issue of a list, with other values for some keys.
func item(keys ...string) string {
	values := map[string]string{"probe": "msr/write", "verdict": "LEAK", "reason": "the check comes late", "link": "https://example.org/1", "until": "2026-12-31"}
	for i := 0; i < len(keys); i += 2 {
		values[keys[i]] = keys[i+1]
	}
	text := "-"
	for _, key := range []string{"kernel", "arch", "setting", "probe", "verdict", "reason", "link", "until"} {
		if values[key] != "" {
			text += fmt.Sprintf("  %s: %q\n ", key, values[key])
		}
	}
	return strings.TrimRight(text, " ")
}

func list(t *testing.T, items ...string) *List {
	t.Helper()
	l, err := Parse("known.yaml", []byte("known:\n"+strings.Join(items, "")))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// cells is a matrix of one kernel: msr/write and devmem/open with nothing locked and
// under integrity.
func cells(msr, mem matrix.Judgment) *matrix.Matrix {
	open := matrix.Cell{Judgment: matrix.Judgment{Verdict: matrix.Open}}
	return &matrix.Matrix{Tables: []matrix.Table{{Kernel: "stock@6.12", Arch: "x86_64",
		Columns: []matrix.Column{{Setting: lockdown.Setting{}}, {Setting: lockdown.Setting{Level: lockdown.Integrity}}},
		Rows: []matrix.TableRow{
			{Probe: "msr/write", Reason: "msr", Cells: []matrix.Cell{open, {Judgment: msr}}},
			{Probe: "devmem/open", Reason: "dev_mem", Cells: []matrix.Cell{open, {Judgment: mem}}},
		}}}}
}

func is(v matrix.Verdict) matrix.Judgment { return matrix.Judgment{Verdict: v, Why: "why", Rule: "r"} }

// TestApply: an issue covers the verdict that it names, in the cells that it names,
// until its day, and nothing else.
func TestApply(t *testing.T) {
	sometimes := matrix.Judgment{Verdict: matrix.Flaky, Of: matrix.Leak}
	for _, c := range []struct {
		name     string
		items    []string
		msr, mem matrix.Judgment
		want     string // verdicts of msr/write and devmem/open, and the states of the issues
		good     bool
	}{
		{"it happens", []string{item()}, is(matrix.Leak), is(matrix.Enforced), "known enforced happens 1/1", true},
		{"another verdict", []string{item()}, is(matrix.Unattributed), is(matrix.Enforced), "unattributed enforced does not happen 0/1", false},
		{"another probe", []string{item()}, is(matrix.Leak), is(matrix.Leak), "known LEAK happens 1/1", false},
		{"all probes", []string{item("probe", "*")}, is(matrix.Leak), is(matrix.Leak), "known known happens 2/2", true},
		{"another kernel", []string{item("kernel", "stock")}, is(matrix.Leak), is(matrix.Enforced), "LEAK enforced not measured 0/0", false},
		{"kernels", []string{item("kernel", "stock@*", "arch", "x86_??", "setting", "integrity")}, is(matrix.Leak), is(matrix.Enforced), "known enforced happens 1/1", true},
		{"another setting", []string{item("setting", "integrity@runtime")}, is(matrix.Leak), is(matrix.Enforced), "LEAK enforced not measured 0/0", false},
		{"expired", []string{item("until", "2026-12-30")}, is(matrix.Leak), is(matrix.Enforced), "LEAK enforced expired 1/1", false},
		{"repaired", []string{item()}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced does not happen 0/1", false},
		{"repaired and expired", []string{item("until", "2026-12-30")}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced expired 0/1", true},
		{"not measured", []string{item("setting", "integrity")}, is(matrix.Unavailable), is(matrix.Enforced), "unavailable enforced not measured 0/0", true},
		{"only the control", []string{item("setting", "none")}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced not measured 0/0", true},
		{"allowed again", []string{item("verdict", "OVERBLOCKED")}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced does not happen 0/1", false},
		{"only the lock", []string{item("verdict", "OVERBLOCKED", "setting", "integrity")}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced not measured 0/0", true},
		{"locked again", []string{item("verdict", "not locked")}, is(matrix.Enforced), is(matrix.Enforced), "enforced enforced does not happen 0/1", false},
		{"lost", []string{item("setting", "integrity")}, is(matrix.Lost), is(matrix.Enforced), "lost enforced not measured 0/0", false},
		{"not lost any more", []string{item("setting", "integrity", "verdict", "lost")}, is(matrix.Unavailable), is(matrix.Enforced), "unavailable enforced does not happen 0/1", false},
		{"it happens at times", []string{item("setting", "integrity")}, sometimes, is(matrix.Enforced), "flaky enforced happens 0/1", false},
		{"flaky, as it is known", []string{item("verdict", "flaky", "setting", "integrity")}, sometimes, is(matrix.Enforced), "known enforced happens 1/1", true},
		{"two issues for a cell", []string{item("setting", "integrity"), item("probe", "msr/*", "setting", "integrity")}, is(matrix.Leak), is(matrix.Enforced), "known enforced happens 1/1 happens 1/1", true},
		{"flaky in two issues", []string{item("verdict", "flaky", "setting", "integrity"), item("setting", "integrity")}, sometimes, is(matrix.Enforced), "known enforced happens 1/1 happens 0/1", true},
		{"two verdicts", []string{item("probe", "*"), item("probe", "*", "verdict", "OVERBLOCKED")}, is(matrix.Leak), is(matrix.Overblocked), "known known happens 1/2 happens 1/3", true},
	} {
		m := cells(c.msr, c.mem)
		list(t, c.items...).Apply(m, today)
		rows := m.Tables[0].Rows
		got := fmt.Sprintf("%s %s", rows[0].Cells[1].Verdict, rows[1].Cells[1].Verdict)
		for _, i := range m.Issues {
			got += fmt.Sprintf(" %s %d/%d", i.State, i.Cells, i.Of)
		}
		if got != c.want || m.AsExpected() != c.good {
			t.Errorf("%s: %s, as expected %v, want %s, %v", c.name, got, m.AsExpected(), c.want, c.good)
		}
		if rows[0].Cells[0].Verdict != matrix.Open {
			t.Errorf("%s: the control became %s", c.name, rows[0].Cells[0].Verdict)
		}
	}
}

// TestKnownCell: a known cell keeps its verdict and the explanation, and its reason is
// not enforced.
func TestKnownCell(t *testing.T) {
	m := cells(is(matrix.Leak), is(matrix.Enforced))
	list(t, item("probe", "devmem/open", "verdict", "OVERBLOCKED"), item()).Apply(m, today)
	c := m.Tables[0].Rows[0].Cells[1]
	if c.Seen() != matrix.Leak || c.Rule != "r" || c.Issue != 2 || c.Why != "LEAK: why; known until 2026-12-31: the check comes late, https://example.org/1" {
		t.Errorf("%+v", c)
	}
	if rs := m.Tables[0].Reasons(); len(rs.Leaking) != 1 || len(rs.Enforced) != 1 || rs.Enforced[0] != "dev_mem" {
		t.Errorf("%+v", rs)
	}
	if m.Issues[1].Place != "known.yaml:7" || m.Issues[1].Cell != "msr/write" {
		t.Errorf("%+v", m.Issues[1])
	}
	if e := list(t, item("kernel", "stock@*", "setting", "integrity")).entries[0]; e.where() != "stock@* integrity@boot msr/write" {
		t.Error(e.where())
	}
	g := matrix.Guest{Kernel: "stock@6.12", Arch: "x86_64", Setting: m.Tables[0].Columns[1].Setting}
	m.Tables[0].Columns[1].Tries = 1
	if Unknown(m, g) {
		t.Error("the guest has a cell that is not known")
	}
	m.Tables[0].Rows[1].Cells[1].Verdict = matrix.Leak
	if !Unknown(m, g) {
		t.Error("the guest has no cell that is not known")
	}
	m.Tables[0].Columns[1].End.Ending = matrix.LostByGuest
	if Unknown(m, g) {
		t.Error("the guest was lost, and ran again already")
	}
	(*List)(nil).Apply(m, today) // no list, no change
}

// TestParseErrors: what is wrong with a list is named with its place.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "k.yaml:1:1: a list of known issues is one document of YAML"},
		{"other: 1\n", `k.yaml:1:1: unknown field "other"`},
		{"known: []\n", "k.yaml:1:1: the key known"},
		{"known:\n" + item("verdict", "leak"), `verdict "leak": one of LEAK, OVERBLOCKED`},
		{"known:\n" + item("verdict", "enforced"), "k.yaml:3:13: verdict"},
		{"known:\n" + item("verdict", "not run"), "k.yaml:3:13: verdict"},
		{"known:\n" + item("verdict", "known"), "k.yaml:3:13: verdict"},
		{"known:\n" + item("verdict", ""), "a known issue needs verdict"},
		{"known:\n" + item("reason", " "), "a known issue needs reason"},
		{"known:\n" + item("link", "javascript:alert(1)"), "k.yaml:5:10: link"},
		{"known:\n" + item("until", "2026-02-30"), "k.yaml:6:11: until"},
		{"known:\n" + item("until", "soon"), "k.yaml:6:11: until"},
		{"known:\n" + item("probe", "msr/wirte"), `k.yaml:2:11: there is no probe "msr/wirte"`},
		{"known:\n" + item("setting", "integrity@night"), "k.yaml:2:13: "},
		{"known:\n" + item() + "   extra: 1\n", `k.yaml:7:4: unknown field "extra"`},
		{"known: &a\n" + item(), "anchors"},
		{strings.Repeat("#", MaxFile+1), "at most"},
	} {
		_, err := Parse("k.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(*strictyaml.Error)) {
			t.Errorf("%.60q: %v, want %s", c.text, err, c.want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "a/b", true}, {"a*", "a", true}, {"a*b*c", "a/b/b/c", true}, {"a*b*c", "a/b/b", false},
		{"?", "a", true}, {"?", "", false}, {"a", "ab", false}, {"ab", "a", false}, {"*b", "ab", true}, {"[a]", "a", false}, {"", "a", false}, {"a**", "a", true},
	} {
		if got := compile(c.pattern).matches(c.text); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.text, got)
		}
	}
}

// FuzzParse reads what anybody may have written. Every error has a place, and what is
// read can be applied.
func FuzzParse(f *testing.F) {
	f.Add("known:\n" + item())
	f.Add("known:\n" + item("probe", "*", "setting", "?*@boot"))
	f.Add("known:\n- {probe: [a], verdict: 1}\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse("k.yaml", []byte(text))
		if err != nil {
			var place *strictyaml.Error
			if !errors.As(err, &place) || place.Line < 1 || place.Column < 1 {
				t.Fatalf("%v has no place", err)
			}
			return
		}
		m := cells(is(matrix.Leak), is(matrix.Unproven))
		l.Apply(m, today)
		if len(m.Issues) != len(l.entries) || m.Tables[0].Rows[0].Cells[0].Verdict != matrix.Open {
			t.Fatalf("%+v", m)
		}
	})
}
