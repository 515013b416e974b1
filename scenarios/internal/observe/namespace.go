package observe

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// InNetNamespace performs an act in a thread that has a network namespace of its
// own. Both are gone afterwards.
func InNetNamespace(act func() Report) Report {
	done := make(chan Report)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine
		r := FromError("unshare(CLONE_NEWNET)", unix.Unshare(unix.CLONE_NEWNET))
		if r.Outcome == Allowed {
			r = act()
		} else {
			r.Outcome, r.Why = Failed, "setup failed"
		}
		done <- r
	}()
	return <-done
}
