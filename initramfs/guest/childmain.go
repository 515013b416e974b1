package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// resultFD is where a child's result goes.
const resultFD = 3

// A childArgs is what a probe's child is told, as its arguments.
type childArgs struct {
	probe string
	comm  string        // under which the kernel's log is to know it
	left  time.Duration // until the probe should give up and undo
	env   scenarios.Env
}

func (a childArgs) argv() []string {
	return []string{childName, a.probe, a.comm, a.left.String(), a.env.Setting.String(), string(a.env.Kind)}
}

func parseChildArgs(args []string) (a childArgs, err error) {
	if len(args) != 5 {
		return a, fmt.Errorf("parse arguments: got %d, want 5", len(args))
	}
	a.probe, a.comm, a.env.Kind = args[0], args[1], lockdown.Kind(args[4])
	if a.left, err = time.ParseDuration(args[2]); err != nil {
		return a, fmt.Errorf("parse deadline: %w", err)
	}
	if a.env.Setting, err = lockdown.ParseSetting(args[3]); err != nil {
		return a, fmt.Errorf("parse setting: %w", err)
	}
	return a, nil
}

// childMain is the life of a probe's child: one probe, one result on fd.
func childMain(args []string, fd int, find func(string) (scenarios.Row, bool)) int {
	unix.CloseOnExec(fd)
	result := runProbe(args, find)
	if err := vport.Write(os.NewFile(uintptr(fd), "result"), result); err != nil {
		fmt.Fprintf(os.Stderr, "send result: %v\n", err)
		return 1
	}
	return 0
}

func runProbe(args []string, find func(string) (scenarios.Row, bool)) scenarios.Result {
	a, err := parseChildArgs(args)
	if err != nil {
		return failed(err.Error())
	}
	row, ok := find(a.probe)
	if !ok {
		return failed(fmt.Sprintf("unknown probe %q", a.probe))
	}
	// The kernel named every thread after the path of the exec; if it did
	// not, a denial could not be told to be ours.
	comm, err := os.ReadFile("/proc/thread-self/comm")
	if err != nil || string(comm) != a.comm+"\n" {
		return failed(fmt.Sprintf("child is named %q, not %q (%v)", comm, a.comm, err))
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.left)
	defer cancel()
	return row.Run(ctx, a.env)
}

// failed is the result of a probe that proves nothing.
func failed(why string) scenarios.Result {
	return scenarios.Result{Outcome: scenarios.Failed, Why: why}
}
