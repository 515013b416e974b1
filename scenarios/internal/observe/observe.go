package observe

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrnoName returns the symbolic name of a system call's error, the text of
// another error, or "" for nil.
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

// CallText prints a call like strace: call = EPERM, or call = ok.
func CallText(call string, err error) string {
	if err == nil {
		return call + " = ok"
	}
	return call + " = " + ErrnoName(err)
}

// FromError returns the report for the error of the decisive call. EPERM is a
// denial, and EACCES one with another face. Probes whose call site denies in
// another way use DeniedAs.
func FromError(call string, err error) Report {
	r := Report{Outcome: Allowed, Call: CallText(call, err), Errno: ErrnoName(err)}
	switch {
	case err == nil:
	case errors.Is(err, unix.EPERM):
		r.Outcome = Denied
	case errors.Is(err, unix.EACCES):
		r.Outcome, r.Face = Denied, "EACCES"
	default:
		r.Outcome, r.Why = Failed, ErrnoName(err)+" is neither success nor a denial"
	}
	return r
}

// DeniedAs makes the report a denial with another face: see Report.Face.
func DeniedAs(r Report, face string) Report {
	r.Outcome, r.Face, r.Why = Denied, face, ""
	return r
}

// UnavailableIf makes the report Unavailable, for the given reason, if its
// error is one of those; otherwise it returns the report unchanged.
func UnavailableIf(r Report, why string, errs ...unix.Errno) Report {
	if r.Outcome == Failed && slices.ContainsFunc(errs, func(e unix.Errno) bool { return r.Errno == unix.ErrnoName(e) }) {
		r.Outcome, r.Why = Unavailable, why
	}
	return r
}

// SetupFailed is the report of an act whose setup failed.
func SetupFailed(call string, err error) Report {
	return Report{Outcome: Failed, Errno: ErrnoName(err), Call: CallText(call, err), Why: "setup failed"}
}

// AllowedIf treats an error that the kernel returns only after the lockdown
// check as allowed; the call still shows the error.
func AllowedIf(r Report, errs ...unix.Errno) Report {
	if r.Outcome == Failed && slices.ContainsFunc(errs, func(e unix.Errno) bool { return r.Errno == unix.ErrnoName(e) }) {
		r.Outcome, r.Why = Allowed, ""
	}
	return r
}

// flagText returns the flags of open(2) as strace prints them.
func flagText(flags int) string {
	text := "O_RDONLY"
	switch flags & unix.O_ACCMODE {
	case unix.O_WRONLY:
		text = "O_WRONLY"
	case unix.O_RDWR:
		text = "O_RDWR"
	}
	if flags&unix.O_TRUNC != 0 {
		text += "|O_TRUNC"
	}
	if flags&unix.O_APPEND != 0 {
		text += "|O_APPEND"
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
	fd, err := open(path, flags)
	return fd, FromError(OpenCall(path, flags), err)
}

// WithFile opens a file and, if that is allowed, performs the act on it.
func WithFile(path string, flags int, act func(fd int) Report) Report {
	return Direct.WithFile(path, flags, act)
}

// Exists reports whether a path exists.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// WriteCommand writes one whole command to a kernel file with one write(2).
func WriteCommand(path, data string) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return WriteOnce(fd, data, 0)
}

// ReadBounded reads the beginning of a kernel file.
func ReadBounded(path string) (data, err string) {
	fd, e := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if e != nil {
		return "", ErrnoName(e)
	}
	defer unix.Close(fd)
	return ReadAll(fd, 0)
}
