package observe

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrnoName gives the symbolic name of a system call's error, or its text where
// it is none; empty for nil.
func ErrnoName(err error) string {
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

// CallText prints a call like strace: act = EPERM, or act = ok.
func CallText(act string, err error) string {
	if err == nil {
		return act + " = ok"
	}
	return act + " = " + ErrnoName(err)
}

// FromError turns the error of the decisive call into a result. Only EPERM is a
// denial: probes whose site refuses in another way say so themselves.
func FromError(act string, err error) Report {
	r := Report{Outcome: Allowed, Call: CallText(act, err), Errno: ErrnoName(err)}
	switch {
	case err == nil:
	case errors.Is(err, unix.EPERM):
		r.Outcome = Denied
	default:
		r.Outcome, r.Why = Failed, ErrnoName(err)+" is neither success nor a denial"
	}
	return r
}

// UnavailableIf turns the errors that mean "there is no such thing here" into
// Unavailable with the reason why; any other result stays as it is.
func UnavailableIf(r Report, why string, errs ...unix.Errno) Report {
	if r.Outcome == Failed && slices.ContainsFunc(errs, func(e unix.Errno) bool { return r.Errno == unix.ErrnoName(e) }) {
		r.Outcome, r.Why = Unavailable, why
	}
	return r
}

// SetupFailed is the result of an act that could not be set up.
func SetupFailed(act string, err error) Report {
	return Report{Outcome: Failed, Errno: ErrnoName(err), Call: CallText(act, err), Why: "cannot set the act up"}
}

// AllowedIf takes an error that the kernel gives only behind the site for the act
// being allowed; the call still shows it.
func AllowedIf(r Report, errs ...unix.Errno) Report {
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

// OpenCall is open(2) as strace prints it. No path here needs escaping.
func OpenCall(path string, flags int) string {
	return `open("` + path + `", ` + flagText(flags) + ")"
}

// Open opens a file without creating it.
func Open(path string, flags int) (int, Report) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	return fd, FromError(OpenCall(path, flags), err)
}

// WithFile opens a file, and where that is allowed does one more act on it.
func WithFile(path string, flags int, act func(fd int) Report) Report {
	fd, r := Open(path, flags)
	if r.Outcome != Allowed {
		return r
	}
	defer unix.Close(fd)
	if act == nil {
		return r
	}
	return act(fd)
}

// Exists reports whether a path is there.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// WriteCommand is one write(2) of one whole command to a file of the kernel's.
func WriteCommand(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return WriteOnce(fd, data, 0)
}

// ReadBounded reads the beginning of a file of the kernel's.
func ReadBounded(path string) (data, err string) {
	fd, e := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if e != nil {
		return "", ErrnoName(e)
	}
	defer unix.Close(fd)
	return ReadAll(fd, 0)
}
