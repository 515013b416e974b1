package observe

import (
	"os"
	"strings"
	"time"

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
	t := LogTail{fd}
	if err := t.skip(); err != nil {
		unix.Close(fd)
		return LogTail{-1}, err
	}
	return t, nil
}

// skip passes over the records that are there.
func (t LogTail) skip() error {
	_, err := unix.Seek(t.fd, 0, unix.SEEK_END)
	return err
}

// Await returns the first record that begins with the text, and skips all others
// that are there. If records were overwritten before they were read, the one that is awaited may
// be among them: Await then returns "". The error is os.ErrDeadlineExceeded if none
// came within the time.
func (t LogTail) Await(prefix string, limit time.Duration) (string, error) {
	b := make([]byte, 8<<10) // PRINTKRB_RECORD_MAX: include/linux/printk.h
	for end := time.Now().Add(limit); ; {
		n, err := unix.Read(t.fd, b)
		switch {
		case err == unix.EPIPE:
			return "", t.skip()
		case err == unix.EAGAIN && time.Now().After(end):
			return "", os.ErrDeadlineExceeded
		case err == unix.EAGAIN:
			time.Sleep(time.Millisecond)
		case err != nil && err != unix.EINTR:
			return "", err
		case err == nil:
			_, record, _ := strings.Cut(string(b[:n]), ";")
			if strings.HasPrefix(record, prefix) {
				line, _, _ := strings.Cut(record, "\n")
				return line, t.skip()
			}
		}
	}
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
