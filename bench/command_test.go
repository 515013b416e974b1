package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestRunFails(t *testing.T) {
	_, err := run(t.Context(), command{argv: []string{"sh", "-c", "echo first; echo last >&2; exit 3"}, limit: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "exit status 3: first; last") {
		t.Errorf("a command that fails: %v", err)
	}
	if _, err := run(t.Context(), command{argv: []string{"sleep", "86400"}, limit: time.Millisecond}); err == nil || !strings.Contains(err.Error(), "no end after") {
		t.Errorf("a command that hangs: %v", err)
	}
	if _, err := run(t.Context(), command{argv: []string{"no-such-peer"}, limit: time.Hour}); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("no program: %v", err)
	}
}

// TestRunLeavesNobody ends a command whose child would stay.
func TestRunLeavesNobody(t *testing.T) {
	dir := t.TempDir()
	_, err := run(t.Context(), command{argv: []string{"sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $! >pid"}, dir: dir, limit: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// SIGKILL was sent before run returned, and takes a moment. If it was not
	// sent, go test's own limit ends this.
	for {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTimed(t *testing.T) {
	c := command{argv: []string{"sh", "-c", "sleep 0.05; echo the answer"}, limit: time.Hour}
	if took, err := timed(t.Context(), c, "the answer"); err != nil || took < 0.05 {
		t.Errorf("%v s, %v", took, err)
	}
	if _, err := timed(t.Context(), c, "something else"); err == nil {
		t.Error("a peer that gave another answer was timed")
	}
}
