package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// reaper is the one that may wait for processes in this test binary.
var reaper *children

func TestMain(m *testing.M) {
	if os.Args[0] == childName {
		os.Exit(childMain(os.Args[1], os.Stdin, resultFD, findFake))
	}
	reaper = newChildren()
	os.Exit(m.Run())
}

// fakes are probes that behave in ways in which a probe must not harm the run.
var fakes = map[string]func(context.Context, scenarios.Env) scenarios.Result{
	"fake/ok": func(_ context.Context, e scenarios.Env) scenarios.Result {
		return scenarios.Result{Outcome: scenarios.Allowed, Call: fmt.Sprintf("%s %s", e.Setting, e.Kind)}
	},
	"fake/comms": func(context.Context, scenarios.Env) scenarios.Result {
		// Every thread: the runtime's, too.
		var all bytes.Buffer
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, t := range tasks {
			b, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/comm")
			all.Write(b)
		}
		return scenarios.Result{Outcome: scenarios.Allowed, Call: all.String()}
	},
	"fake/main-thread": func(context.Context, scenarios.Env) scenarios.Result {
		return scenarios.Result{Outcome: scenarios.Allowed, Call: fmt.Sprint(unix.Gettid() == os.Getpid())}
	},
	"fake/panic": func(context.Context, scenarios.Env) scenarios.Result { panic("at the disco") },
	"fake/exit": func(context.Context, scenarios.Env) scenarios.Result {
		fmt.Println("bye")
		os.Exit(7)
		return scenarios.Result{}
	},
	"fake/killed": func(context.Context, scenarios.Env) scenarios.Result {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	},
	"fake/hang": func(context.Context, scenarios.Env) scenarios.Result {
		signal.Ignore(syscall.SIGTERM)
		for {
			time.Sleep(time.Hour)
		}
	},
	"fake/gives-up": func(ctx context.Context, _ scenarios.Env) scenarios.Result {
		<-ctx.Done()
		return scenarios.Result{Outcome: scenarios.Failed, Why: "gave up"}
	},
	"fake/garbage": func(context.Context, scenarios.Env) scenarios.Result {
		_, _ = unix.Write(resultFD, []byte("\xff\xff\xff\xffgarbage"))
		os.Exit(0)
		return scenarios.Result{}
	},
	"fake/half": func(context.Context, scenarios.Env) scenarios.Result {
		_, _ = unix.Write(resultFD, []byte("\x00\x00\x00\x10{\"Outc"))
		os.Exit(0)
		return scenarios.Result{}
	},
	"fake/flood": func(context.Context, scenarios.Env) scenarios.Result {
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for range 100 {
			_, _ = os.Stdout.Write(chunk)
		}
		return scenarios.Result{Outcome: scenarios.Denied}
	},
	"fake/leaves-daemon": func(context.Context, scenarios.Env) scenarios.Result {
		// Out of the process group, with the result's pipe in its hands.
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "30"}, &syscall.ProcAttr{
			Files: []uintptr{0, 1, 2, resultFD}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
		return scenarios.Result{Outcome: scenarios.Allowed, Call: fmt.Sprint(err)}
	},
}

func findFake(id string) (scenarios.Row, bool) {
	run, ok := fakes[id]
	return scenarios.Row{ID: id, Probe: scenarios.Probe{Run: run}}, ok
}
