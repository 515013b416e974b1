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

	"github.com/ldlab/ldlab/internal/proc"
)

// A toolchain is the Go installation that builds what runs in the guest.
type toolchain struct {
	path    string // of the go command
	version string // go1.26.8
	root    string // GOROOT
}

// toolchains are the known toolchains, by path and environment: go env takes
// 15 ms, and each run of a plan builds several images.
var toolchains sync.Map

// findToolchain returns the toolchain of the go command in PATH.
func findToolchain(ctx context.Context) (toolchain, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return toolchain{}, errors.New("find go: no Go toolchain in PATH")
	}
	key := path + "\x00" + strings.Join(goEnv(os.Environ()), "\x00")
	if known, ok := toolchains.Load(key); ok {
		return known.(toolchain), nil
	}
	tc, err := readToolchain(ctx, path)
	if err == nil {
		toolchains.Store(key, tc)
	}
	return tc, err
}

func readToolchain(ctx context.Context, path string) (toolchain, error) {
	out, err := runGo(ctx, goCommand{path: path, dir: os.TempDir(), args: []string{"env", "GOVERSION", "GOROOT"}})
	if err != nil {
		return toolchain{}, fmt.Errorf("run go env: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || lines[0] == "" || lines[1] == "" {
		return toolchain{}, fmt.Errorf("run go env: unexpected output %.80q", out)
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

// runGo runs the command and returns its standard output. The error has the most
// useful line of its standard error. It is the context's cause if ctx ended; then
// the command and all that it started have ended, too.
func runGo(ctx context.Context, g goCommand) (string, error) {
	argv := g.argv
	if argv == nil {
		argv = append([]string{g.path}, g.args...)
	}
	var errs head
	out, err := proc.Output(ctx, proc.Command{
		Path: g.path, Argv: argv, Dir: g.dir, Env: append(goEnv(os.Environ()), g.env...), Stderr: &errs,
		Family: true, // go build starts compilers, which must not outlive a killed ldlab
	})
	var failed *proc.Error
	switch {
	case err == nil:
		return string(out), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.As(err, &failed) && failed.State != nil:
		return "", fmt.Errorf("%w: %s", failed.Cause, tellingLine(string(errs)))
	}
	return "", err
}

// head keeps the beginning of what is written to it, because the cause of
// further compiler errors comes first.
type head []byte

// maxHead is how much of it is kept, in bytes.
const maxHead = 64 << 10

func (h *head) Write(b []byte) (int, error) {
	*h = append(*h, b[:min(len(b), maxHead-len(*h))]...)
	return len(b), nil
}

// goEnv is the environment without variables that change what is built.
// Variables that set where modules come from, or where the module and build
// caches are, stay.
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

// tellingLine is the line of a build's output to show: a full disk, or the first
// line that is neither a heading nor progress.
func tellingLine(out string) string {
	first := ""
	for _, line := range strings.Split(out, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "#"), strings.HasPrefix(line, "go: downloading"):
			continue
		case strings.Contains(line, "no space left on device"):
			return line
		}
		if first == "" {
			first = line
		}
	}
	if first == "" {
		return "no error message"
	}
	return first[:min(len(first), 400)]
}
