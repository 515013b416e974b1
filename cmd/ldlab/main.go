// Command ldlab proves what Linux kernel lockdown really enforces: it builds
// and boots kernels in QEMU under every lockdown setting, and probes each
// reason with a control and the kernel's own evidence.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ldlab/ldlab/internal/lab"
	"github.com/ldlab/ldlab/kernels"
)

// Exit codes of every verb but shell with a command, which returns that
// command's own.
const (
	exitExpected = 0 // every verdict as expected
	exitDiffers  = 1 // verdicts differ from what is expected
	exitUsage    = 2 // the command line asks for what there is not
	exitFailed   = 3 // the lab failed, or was interrupted: nothing follows about the kernel
)

// An exitError ends the program with a code; its text, if any, is said already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var (
		code  exitError
		usage *lab.UsageError
	)
	switch {
	case err == nil:
		return exitExpected
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "ldlab: %s\n", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	if errors.As(err, &usage) || errors.As(err, new(flagError)) || errors.As(err, new(*kernels.InputError)) {
		return exitUsage
	}
	return exitFailed
}
