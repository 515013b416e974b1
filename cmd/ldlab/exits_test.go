package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits runs a command and checks its exact exit status and that it prints at
// most one line to stderr: exits STATUS ldlab ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS CMD [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
	stderr := ts.ReadFile("stderr")
	if want >= exitUsage && strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
		ts.Fatalf("more than a line on stderr:\n%s", stderr)
	}
	if strings.Contains(stderr, "goroutine ") {
		ts.Fatalf("stack trace on stderr")
	}
}
