// Command guest is the lab's program inside the machine. It is PID 1: it mounts
// what probes need, answers requests on a virtio port, and runs each probe in a
// child process, which is this same program under another name. Without the
// build tag lean it also serves SSH on the port, for ldlab shell.
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// childName is argv[0] of a probe's child process.
const childName = "ldlab-probe"

// find is how children look up their probe; tests have another.
var find = scenarios.Find

// A probe runs on the main thread, because /proc/PID shows the comm, rlimits and
// ioperm bits of that thread. So a child runs in init: while packages are
// initialised, the main goroutine is locked to the main thread (runtime.main,
// go1.26). LockOSThread in main would start a template thread, which takes an
// emulated guest 3 ms.
func init() {
	if os.Args[0] == childName {
		runChild(context.Background(), os.Args[1], len(os.Args) > 2 && os.Args[2] == preforkArg)
	}
}

// runChild is the main function of a probe's child. It never returns.
func runChild(ctx context.Context, comm string, preforked bool) {
	if preforked {
		rehearseChild(ctx, comm)
	}
	if code := childMain(ctx, comm, preforked, pipe(0), resultFD, find); code != 0 {
		os.Exit(code)
	}
	// PID 1 kills this process after it has passed the result on to the host.
	// Exiting here would take time before that.
	for {
		_, _ = unix.Poll(nil, -1)
	}
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: runs only as PID 1 of a guest of the lab")
		os.Exit(2)
	}
	boot()
}
