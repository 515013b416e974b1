package vm

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// shell starts a shell as if it were QEMU, and waits until it says "ready".
func shell(t *testing.T, ctx context.Context, line string) *process {
	t.Helper()
	said, out := io.Pipe()
	p, err := startProcess(ctx, []string{"sh", "-c", line}, nil, out, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(said).ReadString('\n'); got != "ready\n" {
		t.Fatalf("shell said %q, %v", got, err)
	}
	return p
}

func TestProcessEnds(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"by SIGTERM", "echo ready; sleep 1000", "signal: terminated"},
		{"by SIGKILL when it ignores SIGTERM", "trap '' TERM; echo ready; sleep 1000; sleep 1000", "signal: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			p := shell(t, ctx, tt.line)
			cancel()
			<-p.done
			if got := p.state().String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			checkGone(t, p.state().Pid())
		})
	}
}

// TestProcessGroup: what the process started goes with it.
func TestProcessGroup(t *testing.T) {
	p := shell(t, t.Context(), "echo ready; sleep 1000 & exit 3")
	<-p.done
	if p.state().ExitCode() != 3 {
		t.Errorf("state %v", p.state())
	}
	checkGone(t, p.state().Pid())
}

// checkGone fails if the group does not end at once: SIGKILL was sent, but
// takes a moment.
func checkGone(t *testing.T, group int) {
	t.Helper()
	for range 50 {
		if !vmtest.GroupAlive(t, group) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("group %d is still there", group)
}

func TestProcessMissing(t *testing.T) {
	if _, err := startProcess(t.Context(), []string{"/no/such/qemu"}, nil, nil, func() {}); err == nil {
		t.Error("no error")
	}
}

const helperEnv = "LDLAB_VM_TEST_HELPER"

// helper is this test binary started again, to play a lab that gets killed.
// It prints the pid of what it started, and waits.
func helper(what string) int {
	p, err := startProcess(context.Background(), strings.Fields(what), nil, os.Stderr, func() {})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.cmd.Process.Pid)
	// Threads come and go while the lab works; none may take QEMU along.
	for range 20 {
		go exec.Command("true").Run()
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Println("ready")
	<-p.done
	return 0
}

// TestLabKilled: kill -9 of the lab ends QEMU.
func TestLabKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=sleep 1000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	pid := lines.Text()
	lines.Scan()
	if _, err := os.Stat("/proc/" + pid); pid == "" || err != nil {
		t.Fatalf("pid %q: %v", pid, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	for range 100 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %s outlives the lab", pid)
}
