package ktap

import (
	"reflect"
	"strings"
	"testing"
)

const suite = `[    1.000000] KTAP version 1
[    1.000001] 1..1
[    1.000002]     KTAP version 1
[    1.000003]     # Subtest: lockdown
[    1.000004]     1..3
[    1.000005] WARNING: a line of the kernel's
[    1.000006]     ok 1 raises
[    1.000007]     # lowers: EXPECTATION FAILED at a.c:1
[    1.000008]     not ok 2 lowers
[    1.000009]     ok 3 lists # SKIP no securityfs
[    1.000010] # lockdown: pass:1 fail:1 skip:1 total:3
[    1.000011] not ok 1 lockdown
`

func TestParse(t *testing.T) {
	cases := []Test{{Name: "raises", Status: Passed}, {Name: "lowers", Status: Failed, Why: "lowers: EXPECTATION FAILED at a.c:1"}, {Name: "lists", Status: Skipped, Why: "no securityfs"}}
	for _, c := range []struct {
		name, text string
		want       []Test
	}{
		{"a suite", suite, []Test{{Name: "lockdown", Status: Failed, Why: "lockdown: pass:1 fail:1 skip:1 total:3", Tests: cases}}},
		{"without times, CRLF", strings.ReplaceAll(timestampless(suite), "\n", "\r\n"), []Test{{Name: "lockdown", Status: Failed, Why: "lockdown: pass:1 fail:1 skip:1 total:3", Tests: cases}}},
		{"cut before the suite's result", suite[:strings.Index(suite, "[    1.000010]")], []Test{{Name: "lockdown", Status: Truncated, Tests: cases}}},
		{"cut within", suite[:strings.Index(suite, "[    1.000009]")], []Test{{Name: "lockdown", Status: Truncated, Tests: cases[:2], Notes: []string{"2 tests, and its plan has 3"}}}},
		{"parameters", "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..1\n        KTAP version 1\n        # Subtest: c\n        1..2\n        ok 1 a\n        ok 2 b\n    ok 1 c\nok 1 s\n",
			[]Test{{Name: "s", Status: Passed, Tests: []Test{{Name: "c", Status: Passed, Tests: []Test{{Name: "a", Status: Passed}, {Name: "b", Status: Passed}}}}}}},
		{"two suites", "KTAP version 1\n1..2\n    # Subtest: a\n    1..1\n    ok 1 x\nok 1 a\n    # Subtest: b\n    1..1\n    ok 1 y\nok 2 b\n",
			[]Test{{Name: "a", Status: Passed, Tests: []Test{{Name: "x", Status: Passed}}}, {Name: "b", Status: Passed, Tests: []Test{{Name: "y", Status: Passed}}}}},
		{"a suite that began while another had no result", "KTAP version 1\n1..2\n    # Subtest: a\n    1..1\n    ok 1 x\n    KTAP version 1\n    # Subtest: b\n    1..1\n    ok 1 y\nok 2 b\n",
			[]Test{{Name: "a", Status: Truncated, Tests: []Test{{Name: "x", Status: Passed}}}, {Name: "b", Status: Passed, Tests: []Test{{Name: "y", Status: Passed}}}}},
		{"expected to fail, and out of time", "TAP version 14\nok 1 a # XFAIL known\nnot ok 2 b # TIMEOUT 1s\n", []Test{{Name: "a", Status: Passed, Why: "known"}, {Name: "b", Status: Failed, Why: "1s"}}},
		{"no KTAP", "hello\n# Subtest\nok\n", nil},
		{"results without a version", "ok 1 x\n1..1\n", nil},
		{"a test below another that has no result", "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n        # Subtest: c\n    ok 1 d\n    ok 3 e\nok 1 s\n",
			[]Test{{Name: "s", Status: Passed, Tests: []Test{{Name: "d", Status: Passed, Notes: []string{"it has no tests", `the tests below it are those of "c", which has no result`}}, {Name: "e", Status: Passed}}, Notes: []string{"test 2, e, has the number 3"}}}},
		{"two blanks a level", "KTAP version 1\n1..1\n  # Subtest: s\n  1..1\n    # Subtest: c\n    1..1\n    not ok 1 x\n  not ok 1 c\nnot ok 1 s\n",
			[]Test{{Name: "s", Status: Failed, Tests: []Test{{Name: "c", Status: Failed, Tests: []Test{{Name: "x", Status: Failed}}}}}}},
		{"tabs, and a blank before all", " KTAP version 1\n 1..1\n \t# Subtest: s\n \t1..1\n \tnot ok 1 x\n not ok 1 s\n", []Test{{Name: "s", Status: Failed, Tests: []Test{{Name: "x", Status: Failed}}}}},
		{"results with more blanks than their plan", "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n        ok 1 x\nnot ok 1 s\n", []Test{{Name: "s", Status: Failed, Tests: []Test{{Name: "x", Status: Passed}}}}},
		{"it begins within", "    KTAP version 1\n    # Subtest: s\n    1..1\n    ok 1 x\nok 3 s\n", []Test{{Name: "s", Status: Passed, Tests: []Test{{Name: "x", Status: Passed}}}}},
		{"two of three suites", "KTAP version 1\n1..3\nok 1 a\nok 2 b\n", []Test{{Name: "a", Status: Passed}, {Name: "b", Status: Passed}, {Status: Truncated, Why: "2 tests, and the plan has 3"}}},
		{"two texts, and the first ends early", "KTAP version 1\n1..2\nok 1 a\nKTAP version 1\n1..1\nok 1 b\n", []Test{{Name: "a", Status: Passed}, {Status: Truncated, Why: "1 tests, and the plan has 2"}, {Name: "b", Status: Passed}}},
		{"deeper than anything is", "KTAP version 1\n" + deep(maxDepth-1) + strings.Repeat(" ", maxDepth) + "ok 1 x\n", nest(maxDepth - 1)},
	} {
		got, ok := Parse(c.text)
		if !reflect.DeepEqual(got, c.want) || ok != strings.Contains(c.text, "TAP version") {
			t.Errorf("%s: %+v, %v\nwant %+v", c.name, got, ok, c.want)
		}
	}
}

// deep are headers, each below the one before.
func deep(levels int) string {
	var b strings.Builder
	for i := 1; i <= levels; i++ {
		b.WriteString(strings.Repeat(" ", i) + "# Subtest: s\n")
	}
	return b.String()
}

// nest are the tests of these headers, none of which has a result.
func nest(levels int) []Test {
	if levels == 0 {
		return nil
	}
	t := Test{Name: "s", Status: Truncated, Tests: nest(levels - 1)}
	if levels == 1 {
		t.Notes = []string{"it has no tests"}
	}
	return []Test{t}
}

func timestampless(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(timestamp.ReplaceAllString(line, ""))
	}
	return b.String()
}

func TestBad(t *testing.T) {
	tests, _ := Parse(suite)
	if got := Bad(tests); !reflect.DeepEqual(got, []string{"lockdown/lowers: failed: lowers: EXPECTATION FAILED at a.c:1"}) {
		t.Errorf("%q", got)
	}
	if n := Count(tests); n[Passed] != 1 || n[Failed] != 1 || n[Skipped] != 1 {
		t.Errorf("%v", n)
	}
	cut, _ := Parse(suite[:strings.Index(suite, "[    1.000010]")])
	if got := Bad(cut); len(got) != 2 {
		t.Errorf("cut: %q", got)
	}
	two := []Test{{Name: "a", Status: Failed, Tests: []Test{{Name: "x", Status: Failed}}}, {Name: "b", Status: Failed, Why: "its exit", Tests: []Test{{Name: "y", Status: Passed}}}}
	if got := Bad(two); !reflect.DeepEqual(got, []string{"a/x: failed", "b: failed: its exit"}) {
		t.Errorf("a suite that failed, and one whose cases passed: %q", got)
	}
	if n := Count(two); n[Passed] != 1 || n[Failed] != 2 {
		t.Errorf("a suite that failed, and one whose cases passed: %v", n)
	}
	if got := Bad([]Test{{Name: "s", Status: Passed, Tests: []Test{{Name: "c", Status: Skipped}}}}); got != nil {
		t.Errorf("nothing failed: %q", got)
	}
}

// FuzzParse: any text is read, and no more tests come out than it has lines.
func FuzzParse(f *testing.F) {
	f.Add(suite)
	f.Add(timestampless(suite))
	f.Add("KTAP version 1\n        ok 1 x # SKIP\n    not ok 2\n1..7\n")
	f.Fuzz(func(t *testing.T, text string) {
		tests, ok := Parse(text)
		total := 0
		for _, n := range Count(tests) {
			total += n
		}
		if total > strings.Count(text, "\n")+maxDepth+1 {
			t.Errorf("%d tests in %d lines", total, strings.Count(text, "\n"))
		}
		if !ok && len(tests) > 0 {
			t.Error("there is no KTAP, and there are tests")
		}
		Bad(tests)
	})
}
