package power

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Reboot starts hibernation with reboot(2). If it is not refused, it does not come
// back: since v4.19 the call holds the mutex that hibernate() then waits for
// (kernel/reboot.c and kernel/power/main.c:lock_system_sleep, v6.12; 55f2503c3b69,
// "PM / reboot: Eliminate race between reboot and suspend"). The thread that
// waits is seen in /proc, and it shows that the check was passed: by the function
// that it waits in, or because it sleeps uninterruptibly look after look. Nobody
// else holds the mutex, and a refusal does not sleep. On a kernel that does come
// back, hibernation ends because there is no swap.
//
// The caller's process and the guest's power states are of no use afterwards.
func Reboot(ctx context.Context) observe.Report {
	const call = "reboot(LINUX_REBOOT_CMD_SW_SUSPEND)"
	thread, answer := make(chan int, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		thread <- unix.Gettid()
		answer <- suspend()
	}()
	tid := <-thread
	for asleep := 0; ; {
		select {
		case err := <-answer:
			r := observe.AllowedIf(observe.FromError(call, err), unix.EBUSY, unix.ENODEV, unix.ENOSPC)
			return observe.UnavailableIf(r, "CONFIG_HIBERNATION", unix.EINVAL)
		case <-time.After(time.Millisecond):
		}
		if asleep++; !sleeps(tid) {
			asleep = 0
		}
		if place := waitsIn(tid); slices.Contains(waitsForItself, place) || asleep >= enoughLooks {
			// The place is not told: an unwinder that guesses shows another one in a fork than in a boot.
			return observe.Report{Outcome: observe.Allowed, Stuck: true, Call: call + " = ?, it is past the check and waits for ever"}
		}
		if ctx.Err() != nil {
			return observe.Report{Outcome: observe.Failed, Stuck: true, Call: call + " = ?", Why: fmt.Sprintf("it does not come back, and waits in %q", waitsIn(tid))}
		}
	}
}

// waitsForItself are the functions in which the thread waits, as get_wchan shows
// them: mutex_lock itself is left out. hibernate() looks for its compression right
// before that, and an unwinder that guesses may find the trace of it. The check is
// made before either.
var waitsForItself = []string{"lock_system_sleep", "hibernate", "crypto_alg_mod_lookup"}

// enoughLooks is how many looks in a row, 1 ms apart or more, must find the thread
// asleep if the kernel shows another function than those above. A kernel whose
// unwinder guesses may show a stale address of the stack.
const enoughLooks = 100

// sleeps reports whether a thread of this process sleeps uninterruptibly.
func sleeps(tid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	return uninterruptible(string(b))
}

// uninterruptible reports whether the state in a line of /proc/PID/stat is D. It is
// behind the name, which may have any character: proc_pid_stat(5).
func uninterruptible(stat string) bool {
	return strings.HasPrefix(stat[strings.LastIndexByte(stat, ')')+1:], " D ")
}

// waitsIn is the kernel function in which a thread of this process sleeps; empty or
// 0 if it does not, or if the kernel does not show it.
func waitsIn(tid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/wchan", tid))
	return strings.TrimSpace(string(b))
}

func suspend() error {
	if _, _, e := unix.Syscall6(unix.SYS_REBOOT, unix.LINUX_REBOOT_MAGIC1, unix.LINUX_REBOOT_MAGIC2, unix.LINUX_REBOOT_CMD_SW_SUSPEND, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}
