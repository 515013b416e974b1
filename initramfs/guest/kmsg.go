package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A record is one message of the kernel's log.
type record struct {
	at   time.Duration // since boot
	text string
}

// openLog opens the kernel's log at its oldest record. The returned function
// gives the records that came since its last call; cut is true where some were
// overwritten before they could be read.
func openLog() func() (records []record, cut bool, err error) {
	fd, openErr := -1, error(nil)
	buf := make([]byte, 8192) // a record is at most PRINTK_MESSAGE_MAX, 2048 bytes
	return func() (records []record, cut bool, err error) {
		if fd < 0 {
			// Not before the first call: /dev must be mounted.
			if fd, openErr = unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); openErr != nil {
				return nil, false, fmt.Errorf("open /dev/kmsg: %w", openErr)
			}
		}
		for {
			n, err := unix.Read(fd, buf)
			switch {
			case errors.Is(err, unix.EPIPE):
				cut = true
			case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
				return records, cut, nil
			case errors.Is(err, unix.EINTR):
			case err != nil:
				return records, cut, fmt.Errorf("read /dev/kmsg: %w", err)
			default:
				if r, ok := parseRecord(string(buf[:n])); ok {
					records = append(records, r)
				}
			}
		}
	}
}

// parseRecord takes one record of /dev/kmsg: "prio,seq,µs,flags;text" and
// lines of context after it (Documentation/ABI/testing/dev-kmsg).
func parseRecord(s string) (record, bool) {
	head, text, ok := strings.Cut(s, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return record{}, false
	}
	us, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return record{}, false
	}
	text, _, _ = strings.Cut(text, "\n")
	return record{time.Duration(us) * time.Microsecond, text}, true
}

// denialPrefix starts every denial line; the comm follows.
const denialPrefix = "Lockdown: "

// isDenial reports whether the kernel counted the line against its limit.
func isDenial(text string) bool {
	return strings.HasPrefix(text, denialPrefix) && strings.Contains(text, " is restricted")
}

// Bounds of what an observation carries of the log.
const (
	maxLogLines = 64
	maxLogLine  = 512 // bytes
)

// naming keeps the denial lines that name comm.
func naming(records []record, comm string) (lines []string) {
	for _, r := range records {
		if strings.Contains(r.text, denialPrefix+comm+": ") && len(lines) < maxLogLines {
			lines = append(lines, r.text[:min(len(r.text), maxLogLine)])
		}
	}
	return lines
}
