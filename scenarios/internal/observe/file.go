package observe

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// KernelLog returns the kernel's log, without records that were overwritten.
func KernelLog() (string, error) {
	const readAll, size = 3, 10 // SYSLOG_ACTION_READ_ALL, _SIZE_BUFFER: include/linux/syslog.h, v6.12
	n, err := unix.Klogctl(size, nil)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	n, err = unix.Klogctl(readAll, b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// maxAttr bounds what is read of a kernel file, in bytes.
const maxAttr = 4 << 10

// WriteCall is write(2) to a file, as strace prints it.
func WriteCall(path, text string) string { return fmt.Sprintf("write(%q, %q)", path, text) }

// ReadText opens a file and returns its beginning, without the last newline.
func ReadText(path string) (text string, r Report) {
	r = WithFile(path, unix.O_RDONLY, func(fd int) Report {
		b := make([]byte, maxAttr)
		n, err := unix.Read(fd, b)
		text = strings.TrimSuffix(string(b[:max(n, 0)]), "\n")
		return FromError(fmt.Sprintf("read(%q)", path), err)
	})
	return text, r
}

// WriteText opens a file and writes the text with one write(2).
func WriteText(path, text string) Report { return Direct.WriteText(path, text) }

// WriteBack writes a file's current content back, which changes nothing.
func WriteBack(path string) Report {
	text, r := ReadText(path)
	if r.Outcome != Allowed {
		return CannotRead(r)
	}
	return WriteText(path, text)
}

// CannotRead is the report of an act whose first read failed: a denied read
// does not show that the write is denied.
func CannotRead(r Report) Report {
	if r.Outcome == Denied {
		r.Outcome, r.Why = Failed, "the value to write back cannot be read"
	}
	return r
}

// OnCommandLine reports whether the kernel was started with the argument.
func OnCommandLine(arg string) bool {
	line, err := os.ReadFile("/proc/cmdline")
	for _, f := range strings.Fields(string(line)) {
		if err == nil && f == arg {
			return true
		}
	}
	return false
}

// OpenForLater opens a file now and returns the act on it for later.
func OpenForLater(path string, flags int, act func(fd int) Report) (func() Report, Report) {
	fd, r := Open(path, flags)
	if r.Outcome != Allowed {
		return nil, r
	}
	return func() Report {
		defer unix.Close(fd)
		return act(fd)
	}, r
}
