// Package identity turns a process into another one that makes the calls: of
// another user and group, with other capabilities, another personality, policy and
// root directory, on another processor, in another thread, traced by another process.
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
	var done []func() error
	back = func() error {
		for i := len(done) - 1; i >= 0; i-- {
			if err := done[i](); err != nil {
				return err
			}
		}
		return nil
	}
	// The user comes before the capabilities, and what needs capabilities before both.
	for _, step := range []func() (undo func() error, err error){
		a.becomeRestricted, a.becomePersona, a.becomeBound, a.becomeBatch, a.becomeRooted, a.becomeGroup, a.becomeUser, a.becomeCapable,
	} {
		undo, err := step()
		if undo != nil {
			done = append(done, undo)
		}
		if err != nil {
			return back, err
		}
	}
	return back, nil
}

// Each step changes one thing, and returns what takes it back; nil if it changed
// nothing, or nothing that can be taken back.

func (a Asker) becomeRestricted() (undo func() error, err error) {
	if !a.NoNewPrivs {
		return nil, nil
	}
	return nil, all("prctl(PR_SET_NO_NEW_PRIVS)", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

func (a Asker) becomePersona() (undo func() error, err error) {
	if a.Personality == 0 {
		return nil, nil
	}
	return func() error { return persona(0) }, persona(a.Personality)
}

func (a Asker) becomeBound() (undo func() error, err error) {
	if a.Processor == 0 {
		return nil, nil
	}
	var was, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &was); err != nil {
		return nil, fmt.Errorf("sched_getaffinity: %w", err)
	}
	one.Set(a.Processor - 1)
	return func() error { return affinity(&was) }, affinity(&one)
}

func (a Asker) becomeBatch() (undo func() error, err error) {
	if !a.Batch {
		return nil, nil
	}
	const other, batch = 0, 3 // include/uapi/linux/sched.h, v6.12
	return func() error { return schedule(other) }, schedule(batch)
}

func (a Asker) becomeRooted() (undo func() error, err error) {
	if !a.Root {
		return nil, nil
	}
	return otherRoot()
}

func (a Asker) becomeGroup() (undo func() error, err error) {
	if a.GID == 0 {
		return nil, nil
	}
	return func() error { return group(0) }, group(a.GID)
}

func (a Asker) becomeUser() (undo func() error, err error) {
	if a.UID == 0 && a.RealUID == 0 {
		return nil, nil
	}
	if err := secureBits(noSetuidFixup); err != nil {
		return nil, fmt.Errorf("keep capabilities: %w", err)
	}
	undo = func() error { return syscall.Setresuid(0, 0, 0) }
	if err := syscall.Setresuid(cmp.Or(a.RealUID, a.UID), a.UID, a.UID); err != nil {
		return undo, fmt.Errorf("change user: setresuid(%d, %d): %w", cmp.Or(a.RealUID, a.UID), a.UID, err)
	}
	return undo, nil
}

func (a Asker) becomeCapable() (undo func() error, err error) {
	if a.Caps == nil {
		return nil, nil
	}
	sets, err := getCaps()
	if err != nil {
		return nil, err
	}
	few := sets
	few[0].effective, few[1].effective = 0, 0
	for _, c := range a.Caps {
		few[c/32].effective |= 1 << (c % 32)
	}
	undo = func() error {
		if err := setCaps(&sets); err != nil {
			return err
		}
		return secureBits(noSetuidFixup)
	}
	if err := secureBits(noSetuidFixup | noRoot); err != nil {
		return undo, err
	}
	return undo, setCaps(&few)
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
