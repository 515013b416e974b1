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

// reaper is the only waiter for processes in this test binary.
var reaper *children

func TestMain(m *testing.M) {
	reaper = &children{}
	os.Exit(m.Run())
}

// Children of this test binary find the fakes, because variables are
// initialised before init runs.
var _ = func() bool { find = findFake; return true }()

// fakes are probes. Whatever they do, the run must continue.
var fakes = map[string]func(context.Context, scenarios.Env) scenarios.Report{
	"fake/ok": func(_ context.Context, e scenarios.Env) scenarios.Report {
		return scenarios.Report{Outcome: scenarios.Allowed, Call: fmt.Sprintf("%s %s", e.Setting, e.Interface)}
	},
	"fake/comms": func(context.Context, scenarios.Env) scenarios.Report {
		// All threads, those of the runtime included.
		var all bytes.Buffer
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, t := range tasks {
			b, _ := os.ReadFile("/proc/self/task/" + t.Name() + "/comm")
			all.Write(b)
		}
		return scenarios.Report{Outcome: scenarios.Allowed, Call: all.String()}
	},
	"fake/main-thread": func(context.Context, scenarios.Env) scenarios.Report {
		return scenarios.Report{Outcome: scenarios.Allowed, Call: fmt.Sprint(unix.Gettid() == os.Getpid())}
	},
	"fake/panic": func(context.Context, scenarios.Env) scenarios.Report { panic("at the disco") },
	"fake/exit": func(context.Context, scenarios.Env) scenarios.Report {
		fmt.Println("bye")
		os.Exit(7)
		return scenarios.Report{}
	},
	"fake/killed": func(context.Context, scenarios.Env) scenarios.Report {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	},
	"fake/hang": func(context.Context, scenarios.Env) scenarios.Report {
		signal.Ignore(syscall.SIGTERM)
		for {
			time.Sleep(time.Hour)
		}
	},
	"fake/gives-up": func(ctx context.Context, _ scenarios.Env) scenarios.Report {
		<-ctx.Done()
		return scenarios.Report{Outcome: scenarios.Failed, Why: "gave up"}
	},
	"fake/garbage": func(context.Context, scenarios.Env) scenarios.Report {
		_, _ = unix.Write(resultFD, []byte("\xff\xff\xff\xffgarbage"))
		os.Exit(0)
		return scenarios.Report{}
	},
	"fake/half": func(context.Context, scenarios.Env) scenarios.Report {
		_, _ = unix.Write(resultFD, []byte("\x00\x00\x00\x10{\"Outc"))
		os.Exit(0)
		return scenarios.Report{}
	},
	"fake/flood": func(context.Context, scenarios.Env) scenarios.Report {
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for range 100 {
			_, _ = os.Stdout.Write(chunk)
		}
		return scenarios.Report{Outcome: scenarios.Denied}
	},
	"fake/leaves-daemon": func(context.Context, scenarios.Env) scenarios.Report {
		// A session of its own, which keeps the result's pipe open.
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "30"}, &syscall.ProcAttr{
			Files: []uintptr{0, 1, 2, resultFD}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
		return scenarios.Report{Outcome: scenarios.Allowed, Call: fmt.Sprint(err)}
	},
}

// fakesBefore are probes with a Setup.
var fakesBefore = map[string]func(context.Context, scenarios.Env) (func(context.Context) scenarios.Report, scenarios.Report){
	"fake/before": func(context.Context, scenarios.Env) (func(context.Context) scenarios.Report, scenarios.Report) {
		file := orderFile(os.Getppid())
		appendTo(file, "before ")
		return func(context.Context) scenarios.Report {
			appendTo(file, "rest ")
			return scenarios.Report{Outcome: scenarios.Allowed}
		}, scenarios.Report{}
	},
	"fake/before-refused": func(context.Context, scenarios.Env) (func(context.Context) scenarios.Report, scenarios.Report) {
		return nil, scenarios.Report{Outcome: scenarios.Denied}
	},
	"fake/before-crash": func(context.Context, scenarios.Env) (func(context.Context) scenarios.Report, scenarios.Report) {
		os.Exit(3)
		return nil, scenarios.Report{}
	},
}

// orderFile is the file to which the probes of a test process append when they
// run. It has a fixed name because the guest program sets their environment.
func orderFile(pid int) string { return fmt.Sprintf("/tmp/ldlab-test-order-%d", pid) }

func appendTo(file, text string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		panic(err)
	}
}

func findFake(id string) (scenarios.Row, bool) {
	if before, ok := fakesBefore[id]; ok {
		return scenarios.Row{ID: id, Probe: scenarios.Probe{Act: scenarios.Act{Setup: before}}}, true
	}
	run, ok := fakes[id]
	return scenarios.Row{ID: id, Probe: scenarios.Probe{Act: scenarios.Act{Do: run}}}, ok
}
