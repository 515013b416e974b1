package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/matrix"
)

// TestKUnitParsesKTAP gives our KTAP to the kernel's own parser, also with what a
// guest may send in every text: every cell is counted once, and nothing is an error
// of the format.
func TestKUnitParsesKTAP(t *testing.T) {
	python := testutil.RequireProgram(t, "python3")
	kunit, err := kunitProgram()
	testutil.Require(t, "kernel-source", err)
	v, _ := Find("ktap")
	for name, m := range map[string]Measurement{
		"plain": measurement(t), "hostile": poisoned(t, hostile), "result": poisoned(t, "ok 1 x # SKIP y"), "subtest": poisoned(t, "Subtest: x"),
		"plan": poisoned(t, "1..9"), "version": poisoned(t, "KTAP version 1"), "empty": poisoned(t, ""), "halt": poisoned(t, "reboot: System halted"), "panic": poisoned(t, "Kernel panic - not syncing: VFS: x"), "partitions": poisoned(t, "List of all partitions:"),
	} {
		if testing.Short() && name != "hostile" && name != "panic" {
			continue // a second each
		}
		file := filepath.Join(t.TempDir(), "report.ktap")
		if err := os.WriteFile(file, write(t, v, m), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		out, err := exec.CommandContext(ctx, python, kunit, "parse", file).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		n := m.Matrix.Count()
		skipped := n[matrix.Unavailable] + n[matrix.Known]
		failed := 0
		if !m.Matrix.Sound() {
			failed++
		}
		for verdict, count := range n {
			if !verdict.Expected() && verdict != matrix.Known {
				failed += count
			}
		}
		all := 1 // whether something was measured
		for _, count := range n {
			all += count
		}
		all -= n[matrix.NotPlanned]
		want := fmt.Sprintf("Ran %d tests: passed: %d, failed: %d, skipped: %d\n", all, all-failed-skipped, failed, skipped)
		if !strings.Contains(string(out), want) || strings.Contains(string(out), "[ERROR]") {
			t.Errorf("%s: want %s\n%s", name, want, out)
		}
	}
}

// kunitProgram finds the kernel's tool in a source that the lab has fetched.
func kunitProgram() (string, error) {
	dir, err := cache.DefaultDir()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "sources", "*", "*", "tree", "tools", "testing", "kunit", "kunit.py"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, errors.New("no source of a kernel in the cache"))
	}
	return found[len(found)-1], nil
}
