package identity

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// InThread runs act in a thread that is not the process's first.
func InThread(act func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if unix.Gettid() == unix.Getpid() { // this goroutine keeps the first thread meanwhile
			InThread(act)
			return
		}
		act()
	}()
	<-done
}

// schedule gives every thread a policy of sched_setscheduler(2) that has no
// priorities.
func schedule(policy uintptr) error {
	param := new(struct{ priority int32 })
	return all(fmt.Sprintf("sched_setscheduler(%d)", policy), unix.SYS_SCHED_SETSCHEDULER, 0, policy, uintptr(unsafe.Pointer(param)))
}

// group gives every thread a group, and no other one.
func group(gid int) error {
	if err := all(fmt.Sprintf("setresgid(%d)", gid), unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); err != nil {
		return err
	}
	return all("setgroups()", unix.SYS_SETGROUPS, 0, 0, 0)
}
