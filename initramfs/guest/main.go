// Command guest is the lab's side inside the machine. It is PID 1: it mounts
// what probes need, serves SSH on a virtio port, and runs each probe in a
// child process, which is this same program under another name.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// childName is argv[0] of a probe's child process.
const childName = "ldlab-probe"

// find is where children look their probes up.
var find = scenarios.Find

// A probe runs on the thread that is the process: its comm, its rlimits and its
// ioperm bits are those that /proc shows. So a child lives in here: while
// packages are initialised, the main goroutine is wired to the main thread
// (runtime.main, go1.26). LockOSThread would do the same for longer, and start a
// thread of its own for it, which takes an emulated guest 3 ms.
func init() {
	if os.Args[0] == childName {
		runChild(os.Args[1], len(os.Args) > 2 && os.Args[2] == warmArg)
	}
}

// runChild is a child's life. It never returns.
func runChild(comm string, warm bool) {
	if warm {
		rehearseChild(comm)
	}
	if code := childMain(comm, warm, pipe(0), resultFD, find); code != 0 {
		os.Exit(code)
	}
	// Whoever has the result ends this process, and does so after it has
	// passed the result on: to exit now would come first.
	for {
		_, _ = unix.Poll(nil, -1)
	}
}

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "guest: runs as PID 1 of a machine of the lab, and nowhere else")
		os.Exit(2)
	}
	boot()
}
