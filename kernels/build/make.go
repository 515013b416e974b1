package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/kernels/internal/strict"
	"github.com/ldlab/ldlab/kernels/source"
)

// A MakeError is a kernel build that failed.
type MakeError struct {
	Kernel, Arch string
	Cause        error    // one line: the compiler's first error
	Log          string   // file with the whole output of make
	Tail         []string // its last lines, printable
}

func (e *MakeError) Error() string {
	return fmt.Sprintf("build kernel %s for %s: %s (log: %s)", e.Kernel, e.Arch, e.Cause, e.Log)
}

func (e *MakeError) Unwrap() error { return e.Cause }

// tailLines is how much of a failed build's log its error has.
const tailLines = 25

// make runs make in the working tree and writes its output to the log. It calls
// step for each line that announces a step. The error is a *MakeError, or
// *stopped if ctx ended.
func (j *job) make(ctx context.Context, w *source.WorkTree, log io.Writer, step func(string), targets ...string) error {
	args := []string{
		"-C", w.Source(), "O=" + source.BuildDir, "-j" + strconv.Itoa(j.Jobs),
		"ARCH=" + j.Arch.Make, "CROSS_COMPILE=" + j.tools.prefix,
		// The image does not depend on the user, the time and the host.
		"KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=ldlab", "KBUILD_BUILD_HOST=ldlab", "KBUILD_BUILD_VERSION=1",
		"LOCALVERSION=", // nor on a git repository that the tree is in
		// Errors name the line that uses a macro, not each macro in between.
		// The objects are the same, and each costs a tenth less to compile.
		"KCFLAGS=-ftrack-macro-expansion=0",
	}
	if j.tools.ccache {
		args = append(args, "CC=ccache "+j.tools.prefix+"gcc", "HOSTCC=ccache gcc")
	}
	r, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := proc.Start(ctx, proc.Command{
		Argv:   append([]string{"make"}, append(args, targets...)...),
		Env:    append(cleanEnv(proc.Environ()), ccacheEnv...),
		Stdout: pw, Stderr: pw, WaitDelay: stopTime, Family: true,
	})
	pw.Close()
	if err != nil {
		return err
	}
	tail, complaint := follow(r, log, step)
	err = p.Wait()
	var failed *proc.Error
	if !errors.As(err, &failed) {
		return err
	}
	if ctx.Err() != nil {
		// make cleans up after itself, unless it had to be killed.
		return &stopped{context.Cause(ctx), !failed.Killed()}
	}
	cause := errors.New(complaint)
	switch {
	case strings.Contains(strings.Join(tail, "\n"), diskFull):
		cause = syscall.ENOSPC
	case complaint == "":
		cause = failed
	}
	return &MakeError{Kernel: j.Kernel, Arch: j.Arch.Name, Cause: cause, Log: w.Log(), Tail: tail}
}

// stopTime is how long make has to end after SIGTERM, which it uses to remove
// half-written targets.
const stopTime = 10 * time.Second

// diskFull is how every program puts ENOSPC.
const diskFull = "No space left on device"

// stopped is a build that ended because its context did.
type stopped struct {
	cause error
	clean bool // make had the time to remove half-written files
}

func (e *stopped) Error() string { return e.cause.Error() }
func (e *stopped) Unwrap() error { return e.cause }

// ccacheEnv is how ccache works if it is installed.
var ccacheEnv = []string{
	"CCACHE_NOHASHDIR=1", // objects hold no directory, because the build has no debug info
	// The compiler lists the headers of each file for make, and ccache takes
	// that list. Otherwise it preprocesses each file once more, which made a
	// build without hits a third more expensive.
	"CCACHE_DEPEND=1",
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

// maxLine is how much of a line is looked at, in bytes: command lines of V=1
// are long.
const maxLine = 500

// follow copies make's output to the log. It returns the last lines, printable,
// and the first line that looks like an error.
func follow(r io.Reader, log io.Writer, step func(string)) (tail []string, complaint string) {
	in := bufio.NewReaderSize(io.TeeReader(r, log), 64<<10)
	for {
		text, cut, err := in.ReadLine()
		for cut && err == nil { // the rest of an overlong line
			_, cut, err = in.ReadLine()
		}
		if err != nil {
			return tail, complaint
		}
		line := string(text[:min(len(text), maxLine)])
		if len(text) > maxLine {
			line += "..."
		}
		if line != "" {
			if tail = append(tail, strict.Printable(strings.ReplaceAll(line, "\t", "        "))); len(tail) > tailLines {
				tail = tail[1:]
			}
		}
		switch {
		case stepLine.MatchString(line):
			step(strings.Join(strings.Fields(line), " "))
		case complaint == "" && complaintLine.MatchString(line):
			complaint = strict.Printable(strings.TrimSpace(line))
		}
	}
}
