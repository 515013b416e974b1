// Command guest is the lab's side inside the machine. It is PID 1: it mounts
// what probes need, serves SSH on a virtio port, and runs each probe in a
// child process, which is this same program under another name.
package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// childName is argv[0] of a probe's child process.
const childName = "ldlab-probe"

func init() {
	// A probe runs on the thread that is the process: its comm, its rlimits
	// and its ioperm bits are those that /proc shows.
	if os.Args[0] == childName {
		runtime.LockOSThread()
	}
}

// warm reports whether a child was told that it has time.
func warm(args []string) bool { return len(args) > 2 && args[2] == warmArg }

func main() {
	switch {
	case os.Args[0] == childName:
		if warm(os.Args) {
			rehearseChild(os.Args[1])
		}
		if code := childMain(os.Args[1], warm(os.Args), pipe(0), resultFD, scenarios.Find); code != 0 {
			os.Exit(code)
		}
		// Whoever has the result ends this process, and does so after it has
		// passed the result on: to exit now would come first.
		for {
			_, _ = unix.Poll(nil, -1)
		}
	case os.Getpid() == 1:
		boot()
	default:
		fmt.Fprintln(os.Stderr, "guest: runs as PID 1 of a machine of the lab, and nowhere else")
		os.Exit(2)
	}
}
