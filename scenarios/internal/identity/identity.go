// Package identity turns a process into another one that asks the kernel: of
// another user and group, with other capabilities, another personality, policy and
// root directory, on another processor, in another thread.
package identity

import (
	"cmp"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Asker is who asks the kernel, as far as it differs from the process. The
// zero value is the process as it is.
type Asker struct {
	UID         int     // 0: as before
	RealUID     int     // the real user alone, as of a program with the setuid bit; 0: as UID
	GID         int     // 0: as before
	Caps        []int   // the only effective capabilities (include/uapi/linux/capability.h); nil: as before
	Personality uintptr // as for personality(2); 0: as before
	Processor   int     // the only one, from 1; 0: any
	NoNewPrivs  bool    // PR_SET_NO_NEW_PRIVS, which cannot be taken back
	Batch       bool    // the policy SCHED_BATCH; a real-time one would keep other threads from getting it, too
	Root        bool    // another root directory; the process must have a mount namespace of its own
}

// SECBIT_NO_SETUID_FIXUP: a change of the user changes no capability
// (include/uapi/linux/securebits.h, v6.12).
const noSetuidFixup = 1 << 2

// SECBIT_NOROOT: a program that root executes gets no capability for that.
const noRoot = 1 << 0

// Become gives every thread of the process, and each that it starts later, what
// the asker has. back takes back what can be taken back; it must be called also
// after an error. The process must be root's and have every capability.
func (a Asker) Become() (back func() error, err error) {
	var undo []func() error
	back = func() error {
		for i := len(undo) - 1; i >= 0; i-- {
			if err := undo[i](); err != nil {
				return err
			}
		}
		return nil
	}
	if a.NoNewPrivs {
		if err := all("prctl(PR_SET_NO_NEW_PRIVS)", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
			return back, err
		}
	}
	if a.Personality != 0 {
		if err := persona(a.Personality); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return persona(0) })
	}
	if a.Processor != 0 {
		var was, one unix.CPUSet
		if err := unix.SchedGetaffinity(0, &was); err != nil {
			return back, fmt.Errorf("sched_getaffinity: %w", err)
		}
		one.Set(a.Processor - 1)
		if err := affinity(&one); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return affinity(&was) })
	}
	if a.Batch {
		const other, batch = 0, 3 // include/uapi/linux/sched.h, v6.12
		if err := schedule(batch); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return schedule(other) })
	}
	if a.Root {
		leave, err := otherRoot()
		if err != nil {
			return back, err
		}
		undo = append(undo, leave)
	}
	if a.GID != 0 {
		if err := group(a.GID); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return group(0) })
	}
	if a.UID != 0 || a.RealUID != 0 {
		if err := secureBits(noSetuidFixup); err != nil {
			return back, fmt.Errorf("keep capabilities: %w", err)
		}
		if err := syscall.Setresuid(cmp.Or(a.RealUID, a.UID), a.UID, a.UID); err != nil {
			return back, fmt.Errorf("change user: setresuid(%d, %d): %w", cmp.Or(a.RealUID, a.UID), a.UID, err)
		}
		undo = append(undo, func() error { return syscall.Setresuid(0, 0, 0) })
	}
	if a.Caps != nil {
		sets, err := getCaps()
		if err != nil {
			return back, err
		}
		if err := secureBits(noSetuidFixup | noRoot); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return secureBits(noSetuidFixup) })
		few := sets
		few[0].effective, few[1].effective = 0, 0
		for _, c := range a.Caps {
			few[c/32].effective |= 1 << (c % 32)
		}
		if err := setCaps(&few); err != nil {
			return back, err
		}
		undo = append(undo, func() error { return setCaps(&sets) })
	}
	return back, nil
}

// capHeader and capSets are __user_cap_header_struct and two of
// __user_cap_data_struct (include/uapi/linux/capability.h, v6.12).
type (
	capHeader struct {
		version uint32
		pid     int32 // 0: the calling thread
	}
	capSets [2]struct{ effective, permitted, inheritable uint32 }
)

func getCaps() (sets capSets, err error) {
	header := capHeader{version: unix.LINUX_CAPABILITY_VERSION_3}
	if _, _, e := syscall.RawSyscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets)), 0); e != 0 {
		return sets, fmt.Errorf("capget: %w", e)
	}
	return sets, nil
}

// Effective lists the effective capabilities of the calling thread.
func Effective() (list []uintptr, err error) {
	sets, err := getCaps()
	for c := range uintptr(64) {
		if sets[c/32].effective&(1<<(c%32)) != 0 {
			list = append(list, c)
		}
	}
	return list, err
}

func secureBits(bits uintptr) error {
	return all("prctl(PR_SET_SECUREBITS)", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS, bits, 0)
}

func setCaps(sets *capSets) error {
	header := &capHeader{version: unix.LINUX_CAPABILITY_VERSION_3}
	return all("capset", unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(sets)), 0)
}

func affinity(set *unix.CPUSet) error {
	return all("sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set)))
}

func persona(p uintptr) error {
	return all(fmt.Sprintf("personality(%#x)", p), unix.SYS_PERSONALITY, p, 0, 0)
}

// all makes a system call in every thread of the process.
//
//go:uintptrescapes
func all(name string, call, a, b, c uintptr) error {
	if _, _, e := syscall.AllThreadsSyscall(call, a, b, c); e != 0 {
		return fmt.Errorf("%s: %w", name, e)
	}
	return nil
}
