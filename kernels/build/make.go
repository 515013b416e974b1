package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/source"
)

// A MakeError is a kernel build that failed.
type MakeError struct {
	Kernel, Arch string
	Cause        error    // one line: the compiler's first complaint
	Log          string   // file with everything that make said
	Tail         []string // its last lines
}

func (e *MakeError) Error() string {
	return fmt.Sprintf("build kernel %s for %s: %s (log: %s)", e.Kernel, e.Arch, e.Cause, e.Log)
}

func (e *MakeError) Unwrap() error { return e.Cause }

// tailLines is how much of a failed build's log its error has.
const tailLines = 25

// make runs make in the working tree, everything it says in the log. Each line
// that announces a step is passed on.
func (j *job) make(ctx context.Context, w *source.WorkTree, log io.Writer, step func(string), targets ...string) error {
	args := []string{
		"-C", w.Source(), "O=" + source.BuildDir, "-j" + strconv.Itoa(j.Jobs),
		"ARCH=" + j.Arch.Make, "CROSS_COMPILE=" + j.tools.prefix,
		// The same bytes whoever builds, when and where.
		"KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=ldlab", "KBUILD_BUILD_HOST=ldlab", "KBUILD_BUILD_VERSION=1",
		"LOCALVERSION=", // nor whether the tree lies in someone's git repository
	}
	if j.tools.ccache {
		args = append(args, "CC=ccache "+j.tools.prefix+"gcc", "HOSTCC=ccache gcc")
	}
	cmd := host.Command(ctx, "make", append(args, targets...)...)
	cmd.Env = append(cleanEnv(cmd.Env), "CCACHE_NOHASHDIR=1") // objects hold no directory: the build has no debug info
	r, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = pw, pw
	err = cmd.Start()
	pw.Close()
	if err != nil {
		return err
	}
	// A process that ignores SIGTERM would keep the pipe open.
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(host.StopTime):
			host.KillGroup(cmd)
		case <-done:
		}
	})
	tail, complaint := follow(r, log, step)
	err = cmd.Wait()
	stop()
	close(done)
	host.KillGroup(cmd)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		// make cleans up after itself, unless it had to be killed.
		return &stopped{context.Cause(ctx), !errors.Is(err, exec.ErrWaitDelay) && !killed(err)}
	case complaint == "":
		complaint = err.Error()
	}
	failed := &MakeError{Kernel: j.Kernel, Arch: j.Arch.Name, Cause: errors.New(complaint), Log: w.Log(), Tail: tail}
	if strings.Contains(strings.Join(tail, "\n"), host.DiskFull) {
		failed.Cause = syscall.ENOSPC
	}
	return failed
}

// stopped is a build that ended because its context did.
type stopped struct {
	cause error
	clean bool // make had the time to remove half-written files
}

func (e *stopped) Error() string { return e.cause.Error() }
func (e *stopped) Unwrap() error { return e.cause }

func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return true
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return !ok || status.Signaled() && status.Signal() == syscall.SIGKILL
}

// cleanEnv drops variables that would leak the caller's make or kernel build
// into ours.
func cleanEnv(env []string) []string {
	var kept []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "KBUILD_"), strings.HasPrefix(name, "KCONFIG_"):
		case name == "MAKEFLAGS", name == "MFLAGS", name == "MAKELEVEL", name == "MAKEOVERRIDES":
		case name == "ARCH", name == "CROSS_COMPILE", name == "KCFLAGS", name == "KCPPFLAGS", name == "KAFLAGS", name == "O":
		default:
			kept = append(kept, v)
		}
	}
	return kept
}

var (
	stepLine      = regexp.MustCompile(`^  [A-Z][A-Z0-9_ \[\]]*\s+\S`)
	complaintLine = regexp.MustCompile(`(?i)(: (fatal )?error: |^\S*ld: |\*\*\* )`)
)

// follow copies make's output into the log. It gives the last lines, and the
// first one that looks like a complaint.
func follow(r io.Reader, log io.Writer, step func(string)) (tail []string, complaint string) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		io.WriteString(log, line)
		line = strings.TrimRight(line, "\n")
		if len(line) > 500 { // command lines of V=1
			line = line[:500] + "..."
		}
		if line != "" {
			if tail = append(tail, line); len(tail) > tailLines {
				tail = tail[1:]
			}
		}
		switch {
		case stepLine.MatchString(line):
			step(strings.Join(strings.Fields(line), " "))
		case complaint == "" && complaintLine.MatchString(line):
			complaint = strings.TrimSpace(line)
		}
		if err != nil {
			return tail, complaint
		}
	}
}
