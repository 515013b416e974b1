package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A record is one message of the kernel's log.
type record struct {
	at   time.Duration // since boot
	text string
	user bool // user space wrote it
}

// A kmsg reads the kernel's log, beginning with its oldest record.
type kmsg struct {
	fd  int // -1: not open yet
	buf [8192]byte
}

func newKmsg() *kmsg { return &kmsg{fd: -1} }

// open opens the log on its first use, when /dev is mounted.
func (k *kmsg) open() (err error) {
	if k.fd < 0 {
		if k.fd, err = unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open /dev/kmsg: %w", err)
		}
	}
	return nil
}

// readLog returns the records that were logged since the last call; cut is true
// if some were overwritten before they could be read.
func (k *kmsg) readLog() (records []record, cut bool, err error) {
	if err := k.open(); err != nil {
		return nil, false, err
	}
	for {
		n, err := unix.Read(k.fd, k.buf[:]) // a record is at most PRINTK_MESSAGE_MAX, 2048 bytes
		switch {
		case err == unix.EPIPE:
			cut = true
		case err == unix.EAGAIN, err == nil && n == 0:
			return records, cut, nil
		case err == unix.EINTR:
		case err != nil:
			return records, cut, fmt.Errorf("read /dev/kmsg: %w", err)
		default:
			if r, ok := parseRecord(string(k.buf[:n])); ok {
				records = append(records, r)
			}
		}
	}
}

// parseRecord parses one record of /dev/kmsg: "prio,seq,µs,flags;text" and
// lines of context after it (Documentation/ABI/testing/dev-kmsg).
func parseRecord(s string) (record, bool) {
	head, text, ok := strings.Cut(s, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return record{}, false
	}
	us, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil || us > math.MaxInt64/uint64(time.Microsecond) {
		return record{}, false
	}
	prio, err := strconv.ParseUint(fields[0], 10, 64)
	text, _, _ = strings.Cut(text, "\n")
	return record{time.Duration(us) * time.Microsecond, text, err != nil || prio >= 8}, true // facility 0 is the kernel's own
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

// naming returns the denial lines that name comm.
func naming(records []record, comm string) (lines []string) {
	for _, r := range records {
		if strings.Contains(r.text, denialPrefix+comm+": ") && len(lines) < maxLogLines {
			lines = append(lines, r.text[:min(len(r.text), maxLogLine)])
		}
	}
	return lines
}
