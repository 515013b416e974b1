package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunSays(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script string
		want   string // in the error
	}{
		{"fails", "echo first; echo last >&2; exit 3", "exit status 3: first; last"},
		{"hangs", "sleep 60", "no end after"},
	} {
		_, err := run(t.Context(), command{argv: []string{"sh", "-c", tc.script}, limit: 300 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := run(t.Context(), command{argv: []string{"no-such-peer"}, limit: time.Second}); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("no program: %v", err)
	}
}

// TestRunLeavesNobody ends a command whose child would stay.
func TestRunLeavesNobody(t *testing.T) {
	dir := t.TempDir()
	_, err := run(t.Context(), command{argv: []string{"sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $! >pid"}, dir: dir, limit: time.Minute})
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
	for range 100 {
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives: %v", pid, errors.Join(syscall.Kill(pid, syscall.SIGKILL)))
}

func TestTimed(t *testing.T) {
	c := command{argv: []string{"sh", "-c", "sleep 0.05; echo the answer"}, limit: time.Minute}
	if took, err := timed(t.Context(), c, "the answer"); err != nil || took < 0.05 {
		t.Errorf("%v s, %v", took, err)
	}
	if _, err := timed(t.Context(), c, "something else"); err == nil {
		t.Error("a peer that gave another answer was timed")
	}
}
