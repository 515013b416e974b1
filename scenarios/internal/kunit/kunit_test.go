package kunit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A case that failed, and results that end early, are no results of a sound kernel; a
// case that was skipped is no failure.
func TestResults(t *testing.T) {
	const suite = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: a\n    1..2\n    ok 1 one\n"
	for _, tc := range []struct {
		name, text string
		want       observe.Outcome
		why        string
	}{
		{"passed", suite + "    ok 2 two\nok 1 a\n", observe.Allowed, ""},
		{"skipped", suite + "    ok 2 two # SKIP no device\nok 1 a\n", observe.Allowed, ""},
		{"failed", suite + "    # two: EXPECTATION FAILED at a.c:1\n    not ok 2 two\nnot ok 1 a\n", observe.Failed, "a/two"},
		{"cut", suite, observe.Failed, "truncated"},
		{"empty", "", observe.Failed, "whole"},
		{"no KTAP", "hello\n", observe.Failed, "whole"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "a"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "a", "results"), []byte(tc.text), 0o644); err != nil {
				t.Fatal(err)
			}
			r := results(dir)
			if r.Outcome != tc.want || !strings.Contains(r.Why, tc.why) {
				t.Errorf("%+v", r)
			}
		})
	}
	if r := results(t.TempDir()); r.Outcome != observe.Unavailable || r.Why != option {
		t.Errorf("without suites: %+v", r)
	}
}
