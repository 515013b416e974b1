package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOrphansAreReaped has a child leave a process behind: with the next child
// that is waited for, it is gone, too.
func TestOrphansAreReaped(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // as PID 1 is
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	run := func(script string) syscall.WaitStatus {
		c, err := reaper.start("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Env: os.Environ(), Sys: &syscall.SysProcAttr{}})
		if err != nil {
			t.Fatal(err)
		}
		if !reaper.wait(c, 10*time.Second) {
			t.Fatalf("%q did not end", script)
		}
		return c.status
	}
	if status := run("sleep 0.1 & echo $! >" + file + "; exit 3"); status.ExitStatus() != 3 {
		t.Errorf("child: %s", describe(status))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	run("sleep 0.3; kill -9 $$")
	if err := syscall.Kill(orphan, 0); err != syscall.ESRCH {
		t.Errorf("orphan %d: %v, want it reaped", orphan, err)
	}
}

// TestWaitGivesUp waits for a child that does not end, and then for its end.
func TestWaitGivesUp(t *testing.T) {
	c, err := reaper.start("/bin/sleep", []string{"sleep", "60"}, &syscall.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if reaper.wait(c, 20*time.Millisecond) {
		t.Errorf("a child that sleeps ended: %s", describe(c.status))
	}
	if err := syscall.Kill(c.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !reaper.wait(c, 10*time.Second) || !c.status.Signaled() {
		t.Errorf("killed: %s", describe(c.status))
	}
	if !reaper.wait(c, 0) {
		t.Error("a child that has ended is waited for again")
	}
}
