package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/identity"
)

// Do has a program of 32 bits make the call. A kernel without CONFIG_COMPAT takes
// it for no program. What the kernel writes to buffers is lost.
func (s Syscall) Do(args ...Arg) error {
	if s.ARM == 0 {
		return absentError{"arm has no " + s.Name}
	}
	if !hasAArch32() {
		return absentError{"the processor has no AArch32 at EL0"}
	}
	dir, err := os.MkdirTemp("/", "ldlab-compat-") // the guest has no /tmp
	if err != nil {
		return fmt.Errorf("write the program: %v", err) // without its errno, which is not the call's
	}
	defer os.RemoveAll(dir)
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return fmt.Errorf("write the program: %v", err)
	}
	// The task is named for the file: what it is refused is then this probe's.
	file := filepath.Join(dir, strings.TrimSpace(string(comm)))
	if err := os.WriteFile(file, program(s.ARM, args), 0o700); err != nil {
		return fmt.Errorf("write the program: %v", err)
	}
	return run(file, args)
}

// run executes the program and returns the errno that it exits with.
func run(file string, args []Arg) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("execute %s: %v", file, err)
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	for _, arg := range args {
		if fd, ok := arg.(FD); ok {
			files = append(files, uintptr(fd))
		}
	}
	caps, err := identity.Effective()
	if err != nil {
		return fmt.Errorf("execute %s: %v", file, err)
	}
	// Without ambient capabilities the program of another user would have none.
	pid, err := syscall.ForkExec(file, []string{file}, &syscall.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{AmbientCaps: caps}})
	if err == unix.ENOEXEC {
		return absentError{noCompat}
	}
	if err != nil {
		return fmt.Errorf("execute %s: %v", file, err)
	}
	var status unix.WaitStatus
	for {
		if _, err = unix.Wait4(pid, &status, 0, nil); err != unix.EINTR {
			break
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("wait for %s: %v", file, err)
	case !status.Exited():
		return fmt.Errorf("%s ended by signal %v", file, status.Signal())
	case status.ExitStatus() != 0:
		return unix.Errno(status.ExitStatus())
	}
	return nil
}

// hasAArch32 reports whether a 32-bit personality can be had, which takes a
// processor with AArch32 at EL0 (arch/arm64/kernel/sys.c, v6.12).
func hasAArch32() bool {
	const linux32, query = 8, 0xffffffff
	was, _, e := unix.Syscall(unix.SYS_PERSONALITY, query, 0, 0)
	if e != 0 {
		return true // let the program show it
	}
	_, _, e = unix.Syscall(unix.SYS_PERSONALITY, was&^0xff|linux32, 0, 0)
	unix.Syscall(unix.SYS_PERSONALITY, was, 0, 0)
	return e != unix.EINVAL
}

// Native is unset: what the calls return is another process's.
const Native = false

// Value is not available.
func (s Syscall) Value(...Arg) (int, error) { return 0, absentError{"the calls are another process's"} }
