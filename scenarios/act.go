package scenarios

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// errno gives the symbolic name of a system call's error, or its text where
// it is none; empty for nil.
func errno(err error) string {
	if err == nil {
		return ""
	}
	var e unix.Errno
	if errors.As(err, &e) {
		if name := unix.ErrnoName(e); name != "" {
			return name
		}
	}
	return err.Error()
}

// call prints a call like strace: act = EPERM, or act = ok.
func call(act string, err error) string {
	if err == nil {
		return act + " = ok"
	}
	return act + " = " + errno(err)
}

// judge turns the error of the decisive call into a result. Only EPERM is a
// denial: probes whose site refuses in another way say so themselves.
func judge(act string, err error) Result {
	r := Result{Outcome: Allowed, Call: call(act, err), Errno: errno(err)}
	switch {
	case err == nil:
	case errors.Is(err, unix.EPERM):
		r.Outcome = Denied
	default:
		r.Outcome, r.Why = Failed, errno(err)+" is neither success nor a denial"
	}
	return r
}

// absent turns the errors that mean "there is no such thing here" into
// Unavailable with the reason why; any other result stays as it is.
func absent(r Result, why string, errs ...unix.Errno) Result {
	if r.Outcome == Failed && slices.ContainsFunc(errs, func(e unix.Errno) bool { return r.Errno == unix.ErrnoName(e) }) {
		r.Outcome, r.Why = Unavailable, why
	}
	return r
}

// failed is the result of an act that could not be set up.
func failed(act string, err error) Result {
	return Result{Outcome: Failed, Errno: errno(err), Call: call(act, err), Why: "cannot set the act up"}
}

// past takes an error that the kernel gives only behind the site for the act
// being allowed; the call still shows it.
func past(r Result, errs ...unix.Errno) Result {
	if r.Outcome == Failed && slices.ContainsFunc(errs, func(e unix.Errno) bool { return r.Errno == unix.ErrnoName(e) }) {
		r.Outcome, r.Why = Allowed, ""
	}
	return r
}

// flagText is the flags of open(2) as strace prints them.
func flagText(flags int) string {
	text := "O_RDONLY"
	switch flags & unix.O_ACCMODE {
	case unix.O_WRONLY:
		text = "O_WRONLY"
	case unix.O_RDWR:
		text = "O_RDWR"
	}
	if flags&unix.O_NONBLOCK != 0 {
		text += "|O_NONBLOCK"
	}
	if flags&unix.O_NOCTTY != 0 {
		text += "|O_NOCTTY"
	}
	return text
}

// openAct is open(2) as strace prints it. No path here needs escaping.
func openAct(path string, flags int) string {
	return `open("` + path + `", ` + flagText(flags) + ")"
}

// open opens a file without creating it.
func open(path string, flags int) (int, Result) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	return fd, judge(openAct(path, flags), err)
}

// with opens a file, and where that is allowed does one more act on it.
func with(path string, flags int, act func(fd int) Result) Result {
	fd, r := open(path, flags)
	if r.Outcome != Allowed {
		return r
	}
	defer unix.Close(fd)
	if act == nil {
		return r
	}
	return act(fd)
}

// exists reports whether a path is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writeWhole is one write(2) of one whole command to a file of the kernel's.
func writeWhole(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return writeOnce(fd, data, 0)
}

// readSome reads the beginning of a file of the kernel's.
func readSome(path string) (data, err string) {
	fd, e := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if e != nil {
		return "", errno(e)
	}
	defer unix.Close(fd)
	return readAll(fd, 0)
}
