package vm

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	maxLog      = 16 << 20 // bytes of console, and of QEMU's messages, kept in files
	tailLines   = 64       // lines of console kept in memory
	maxTailLine = 1 << 10  // bytes of each
)

// panicLine matches the line with which panic() starts (kernel/panic.c, v6.12),
// with the time and caller that printk puts before it (CONFIG_PRINTK_TIME,
// CONFIG_PRINTK_CALLER). What programs write to the console has no time.
var panicLine = regexp.MustCompile(`\[ *[0-9]+\.[0-9]{6}\](\[ *[TC][0-9]+\])? Kernel panic - not syncing`)

// A log is a file that takes everything and keeps the first maxLog bytes. Its
// last lines are in memory too, so that a flood cannot hide how it ended.
type log struct {
	mu      sync.Mutex
	file    *os.File
	size    int64     // bytes that came
	err     error     // the first error of writing the file
	first   time.Time // when the first byte came
	last    time.Time // when the last one came
	line    []byte    // the line that has no end yet, cut at maxTailLine
	tail    []string  // the lines before it
	panicAt string    // the first line that panicLine matches
}

func newLog(path string) (*log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	return &log{file: f}, nil
}

// Write never fails, because the guest's output must be read even if the disk is
// full. The first error is kept for close.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	l.last = time.Now()
	if l.size == 0 {
		l.first = l.last
	}
	l.store(b[:min(int64(len(b)), max(0, maxLog-l.size))])
	if l.size <= maxLog && l.size+int64(len(b)) > maxLog {
		l.store(fmt.Appendf(nil, "\n[ldlab: cut off after %d MiB]\n", maxLog>>20))
	}
	l.size += int64(len(b))
	l.split(b)
	return len(b), nil
}

func (l *log) store(b []byte) {
	if len(b) == 0 || l.err != nil {
		return
	}
	if _, err := l.file.Write(b); err != nil {
		l.err = fmt.Errorf("write log: %w", err)
	}
}

// split keeps the last lines.
func (l *log) split(b []byte) {
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		l.line = append(l.line, line[:min(len(line), maxTailLine-len(l.line))]...)
		if ended {
			l.endLine()
		}
		b = rest
	}
}

func (l *log) endLine() {
	line := string(bytes.TrimRight(l.line, "\r"))
	if l.panicAt == "" && panicLine.Match(l.line) {
		l.panicAt = line
	}
	if len(l.tail) == tailLines {
		l.tail = slices.Delete(l.tail, 0, 1)
	}
	l.tail = append(l.tail, line)
	l.line = l.line[:0]
}

// lines are the last n lines, at most tailLines.
func (l *log) lines(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.tail)
	if len(l.line) > 0 {
		all = append(all, string(l.line))
	}
	return all[max(0, len(all)-max(0, n)):]
}

// seen is what the log shows of the guest: how many bytes came, how long ago
// the last one, and the first line of a panic.
func (l *log) seen() (size int64, silent time.Duration, panicked string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 {
		silent = time.Since(l.last)
	}
	return l.size, silent, l.panicAt
}

func (l *log) firstByte() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *log) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); l.err == nil && err != nil {
		l.err = fmt.Errorf("close log: %w", err)
	}
	return l.err
}

// drain copies the console until QEMU is gone. It never stops early: a full
// socket would stall the guest.
func drain(console io.Reader, l *log, live io.Writer) {
	buf := make([]byte, 32<<10)
	for {
		n, err := console.Read(buf)
		l.Write(buf[:n])
		if live != nil && n > 0 {
			live.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
