// Command ldlab proves what Linux kernel lockdown really enforces: it builds
// and boots kernels in QEMU under every lockdown setting, and probes each
// reason with a control and the kernel's own evidence.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// Exit statuses of all verbs. Only shell with a command returns the command's
// status.
const (
	exitExpected = 0 // every verdict is as expected
	exitDiffers  = 1 // verdicts differ from what is expected
	exitUsage    = 2 // usage error: a flag, a file that the user named
	exitFailed   = 3 // the lab failed or was interrupted, or a file of results is damaged or incomplete: nothing follows about the kernel
	exitUntested = 4 // every verdict is as expected, but a reason that the plan selects was not tested
	exitNoLSM    = 5 // a kernel of the plan has no lockdown LSM: there is nothing to test
)

// An exitError ends the program with a code; the message, if any, has already
// been printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := interruptible(context.Background(), os.Stderr)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var (
		code  exitError
		usage *plan.UsageError
	)
	switch {
	case err == nil:
		return exitExpected
	case errors.As(err, &code):
		return int(code)
	}
	if errors.Is(err, engine.ErrResultsThere) {
		err = fmt.Errorf("%w: continue them with --resume, or give another --out", err)
	}
	writeTail(os.Stderr, err)
	// An error may quote a guest.
	_, _ = progress.NewPrintable(os.Stderr).Write([]byte("ldlab: " + strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ") + "\n"))
	if errors.As(err, &usage) || errors.As(err, new(flagError)) || errors.As(err, new(fileError)) || errors.As(err, new(*kernels.InputError)) ||
		errors.Is(err, engine.ErrResultsThere) || errors.Is(err, engine.ErrOtherPlan) {
		return exitUsage
	}
	if errors.As(err, new(*engine.NoLockdownError)) {
		return exitNoLSM
	}
	return exitFailed
}

// writeTail prints the last lines of a failed kernel build. They are printable.
func writeTail(w io.Writer, err error) {
	var failed *kernels.MakeError
	if !errors.As(err, &failed) {
		return
	}
	fmt.Fprintf(w, "the last lines of make, for kernel %s %s:\n", failed.Kernel, failed.Arch)
	for _, line := range failed.Tail {
		fmt.Fprintf(w, "  %s\n", line)
	}
}

// interruptible returns a context that the first signal ends, so that results
// are kept and every process is stopped. The second signal ends the program at
// once, because signals have their default effect again.
func interruptible(ctx context.Context, stderr io.Writer) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer signal.Stop(signals)
		select {
		case s := <-signals:
			signal.Stop(signals)
			fmt.Fprintf(stderr, "ldlab: %s: stopping guests; interrupt again to exit at once\n", s)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
