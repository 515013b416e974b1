package main

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startShell starts a shell that runs the script, in a process group of its own,
// and returns what it prints on a line. Descriptor 3 of the script is a pipe
// that no one writes to: "cat <&3" waits until the test has ended.
func startShell(t *testing.T, script string, group bool) (p *process, printed string) {
	t.Helper()
	hold, never, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { never.Close() })
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p, err = reaper.start("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, in.Fd(), 2, hold.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true},
	}, group)
	hold.Close()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	printed, _ = bufio.NewReader(out).ReadString('\n')
	return p, strings.TrimSpace(printed)
}

// number parses the number of a process and watches it.
func number(t *testing.T, text string) (pid, pidfd int) {
	t.Helper()
	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return pid, fd
}

// awaitEnd waits until a process has ended, reaped or not.
func awaitEnd(t *testing.T, pidfd int) {
	t.Helper()
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, -1)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

// subreaper has the orphans of this process's children become its own, as those
// of PID 1 do.
func subreaper(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

const leaveOrphan = "cat <&3 >/dev/null & echo $!; exit 3"

// TestOrphansAreReaped has a child leave a process behind: with the next child
// that is waited for, it is reaped, too.
func TestOrphansAreReaped(t *testing.T) {
	subreaper(t)
	c, printed := startShell(t, leaveOrphan, false)
	if !reaper.wait(c, forGood) || c.status.ExitStatus() != 3 {
		t.Errorf("child: %s", describe(c.status))
	}
	orphan, fd := number(t, printed)
	if err := syscall.Kill(orphan, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, fd)
	c, _ = startShell(t, "kill -9 $$", false)
	if !reaper.wait(c, forGood) || !c.status.Signaled() {
		t.Errorf("child: %s", describe(c.status))
	}
	if err := syscall.Kill(orphan, 0); err != syscall.ESRCH {
		t.Errorf("orphan %d: %v, want it reaped", orphan, err)
	}
}

// TestGroupEndsWithItsLeader: what a probe's child leaves in its process group
// is killed before the child is reaped, because the group's number is not
// reserved after that.
func TestGroupEndsWithItsLeader(t *testing.T) {
	subreaper(t)
	leader, printed := startShell(t, leaveOrphan, true)
	_, fd := number(t, printed)
	if !reaper.wait(leader, forGood) {
		t.Fatal("the leader did not end")
	}
	if leader.status.ExitStatus() != 3 {
		t.Errorf("leader: %s, want its own exit status", describe(leader.status))
	}
	awaitEnd(t, fd) // or the test times out
}

// TestNoSignalAfterReaping: the number of a process that was reaped may belong
// to another group, here to the rest of its own.
func TestNoSignalAfterReaping(t *testing.T) {
	subreaper(t)
	leader, printed := startShell(t, leaveOrphan, false)
	orphan, _ := number(t, printed)
	defer syscall.Kill(orphan, syscall.SIGKILL)
	if !reaper.wait(leader, forGood) {
		t.Fatal("the leader did not end")
	}
	if reaper.signal(leader, 0) {
		t.Errorf("group %d was signaled after its leader was reaped", leader.pid)
	}
	if err := syscall.Kill(-leader.pid, 0); err != nil {
		t.Errorf("the group is empty, so this test shows nothing: %v", err)
	}
}

// TestWaitGivesUp waits for a child that does not end, and then for its end.
func TestWaitGivesUp(t *testing.T) {
	c, _ := startShell(t, "echo; exec cat <&3", false)
	if reaper.wait(c, time.Millisecond) {
		t.Errorf("a waiting child ended: %s", describe(c.status))
	}
	if !reaper.signal(c, syscall.SIGKILL) {
		t.Error("a live child was not signaled")
	}
	if !reaper.wait(c, forGood) || !c.status.Signaled() {
		t.Errorf("killed: %s", describe(c.status))
	}
	if !reaper.wait(c, 0) {
		t.Error("wait fails for a child that has ended")
	}
}
