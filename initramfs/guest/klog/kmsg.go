// Package klog reads the kernel's log: its records, the lines of denials and how many
// of them the kernel prints, and its reports of bugs of its own.
package klog

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Record is one message of the kernel's log.
type Record struct {
	At   time.Duration // since boot
	Text string
	User bool // user space wrote it
}

// A Reader reads the kernel's log, beginning with its oldest record.
type Reader struct {
	fd  int // -1: not open yet
	buf [8192]byte
}

// New returns a reader, which opens the log when it is first read.
func New() *Reader { return &Reader{fd: -1} }

// open opens the log on its first use, when /dev is mounted.
func (k *Reader) open() (err error) {
	if k.fd < 0 {
		if k.fd, err = unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("open /dev/kmsg: %w", err)
		}
	}
	return nil
}

// Read returns the records that were logged since the last call; cut is true
// if some were overwritten before they could be read.
func (k *Reader) Read() (records []Record, cut bool, err error) {
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
func parseRecord(s string) (Record, bool) {
	head, text, ok := strings.Cut(s, ";")
	fields := strings.Split(head, ",")
	if !ok || len(fields) < 3 {
		return Record{}, false
	}
	us, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil || us > math.MaxInt64/uint64(time.Microsecond) {
		return Record{}, false
	}
	prio, err := strconv.ParseUint(fields[0], 10, 64)
	text, _, _ = strings.Cut(text, "\n")
	return Record{time.Duration(us) * time.Microsecond, text, err != nil || prio >= 8}, true // facility 0 is the kernel's own
}

// DenialPrefix starts every denial line; the comm follows.
const DenialPrefix = "Lockdown: "

// IsDenial reports whether the kernel counted the line against its limit.
func IsDenial(text string) bool {
	return strings.HasPrefix(text, DenialPrefix) && strings.Contains(text, " is restricted")
}

// Bounds of what is kept of the log.
const (
	MaxLogLines = 64
	MaxLogLine  = 512 // bytes
)

// Naming returns the denial lines that name comm.
func Naming(records []Record, comm string) (lines []string) {
	for _, r := range records {
		if strings.Contains(r.Text, DenialPrefix+comm+": ") && len(lines) < MaxLogLines {
			lines = append(lines, r.Text[:min(len(r.Text), MaxLogLine)])
		}
	}
	return lines
}
