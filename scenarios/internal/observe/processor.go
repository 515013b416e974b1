package observe

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnFirstProcessor keeps the thread on the first processor until its result is
// called: some files and events are those of one processor.
func OnFirstProcessor() (end func()) {
	runtime.LockOSThread()
	var was, first unix.CPUSet
	first.Set(0)
	if unix.SchedGetaffinity(0, &was) != nil || unix.SchedSetaffinity(0, &first) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		_ = unix.SchedSetaffinity(0, &was)
		runtime.UnlockOSThread()
	}
}
