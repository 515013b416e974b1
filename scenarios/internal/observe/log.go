package observe

import (
	"strings"

	"golang.org/x/sys/unix"
)

// A LogTail shows what the kernel logs from the moment at which it was opened.
type LogTail struct{ fd int }

// TailLog opens the end of the kernel's log.
func TailLog() (LogTail, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return LogTail{-1}, err
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		unix.Close(fd)
		return LogTail{-1}, err
	}
	return LogTail{fd}, nil
}

// maxRecords bounds what Close reads.
const maxRecords = 200

// Close returns the texts of the records since then, one a line, without their
// heads (Documentation/ABI/testing/dev-kmsg: prefix;text).
func (t LogTail) Close() string {
	defer unix.Close(t.fd)
	var text strings.Builder
	b := make([]byte, 8<<10) // PRINTKRB_RECORD_MAX: include/linux/printk.h
	for range maxRecords {
		n, err := unix.Read(t.fd, b)
		if err == unix.EPIPE { // records were overwritten; the next read finds the oldest
			continue
		}
		if err != nil || n == 0 {
			break
		}
		_, record, _ := strings.Cut(string(b[:n]), ";")
		line, _, _ := strings.Cut(record, "\n")
		text.WriteString(line + "\n")
	}
	return text.String()
}
