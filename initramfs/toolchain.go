package initramfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A toolchain is the Go installation that builds what runs in the guest.
type toolchain struct {
	path    string // of the go command
	version string // go1.26.8
	root    string // GOROOT
}

// toolchains are those that were asked before, by path and environment: to ask
// takes 15 ms, and each run of a plan builds several images.
var toolchains sync.Map

// findToolchain asks the go command of PATH what it is.
func findToolchain(ctx context.Context) (toolchain, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return toolchain{}, errors.New("find go: no Go toolchain in PATH")
	}
	key := path + "\x00" + strings.Join(goEnv(os.Environ()), "\x00")
	if known, ok := toolchains.Load(key); ok {
		return known.(toolchain), nil
	}
	tc, err := askToolchain(ctx, path)
	if err == nil {
		toolchains.Store(key, tc)
	}
	return tc, err
}

func askToolchain(ctx context.Context, path string) (toolchain, error) {
	out, err := runGo(ctx, goCommand{path: path, dir: os.TempDir(), args: []string{"env", "GOVERSION", "GOROOT"}})
	if err != nil {
		return toolchain{}, fmt.Errorf("ask go for its version: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || lines[0] == "" || lines[1] == "" {
		return toolchain{}, fmt.Errorf("ask go for its version: it answered %.80q", out)
	}
	return toolchain{path, lines[0], lines[1]}, nil
}

// A goCommand is one run of the go command, or of a program that runs it.
type goCommand struct {
	path string
	dir  string
	args []string
	argv []string // whole command line, in place of go with args
	env  []string // in addition, before what every run has
}

// runGo runs it and gives its stdout. The error holds the line of its stderr
// that tells most. A canceled run leaves no process behind.
func runGo(ctx context.Context, g goCommand) (string, error) {
	cmd := exec.CommandContext(ctx, g.path, g.args...)
	if g.argv != nil {
		cmd.Args = g.argv
	}
	cmd.Dir = g.dir
	cmd.Env = append(goEnv(os.Environ()), g.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process == nil {
			return "", context.Cause(ctx)
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ESRCH: all gone
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, tellingLine(errs.String()))
	}
	return out.String(), nil
}

// goEnv is the environment without what would change a build: only where
// modules and compiled packages are kept, and where they come from, stays.
func goEnv(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GOFLAGS", "GOWORK", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GODEBUG", "GOFIPS140", "GBBDEBUG":
			return true
		}
		return strings.HasPrefix(name, "CGO_") || name == "GO111MODULE"
	})
	return append(env, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux")
}

// tellingLine picks the one line of a build's output that a person needs.
func tellingLine(out string) string {
	last := ""
	for _, line := range strings.Split(out, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "go: downloading"):
			continue
		case strings.Contains(line, "no space left on device"):
			return line
		}
		if last == "" {
			last = line
		}
	}
	if last == "" {
		return "it said nothing"
	}
	return last[:min(len(last), 400)]
}
