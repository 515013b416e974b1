package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A port is a virtio-serial port. Its calls block in the
// kernel and never go through Go's poller: virtio_console loses a wake-up when
// a poll and a blocking write race.
type port struct {
	fd     int
	closed atomic.Bool // the number may be another file's by now
}

// openPort opens the port that the host gave the name, waiting for it: the
// device tells its ports' names after it was found.
func openPort(name string) (*port, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		files, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil || strings.TrimSpace(string(b)) != name {
				continue
			}
			dev := "/dev/" + filepath.Base(filepath.Dir(f))
			fd, err := unix.Open(dev, unix.O_RDWR|unix.O_CLOEXEC, 0)
			if errors.Is(err, unix.ENOENT) {
				break // sysfs is ahead of devtmpfs
			}
			if err != nil {
				return nil, fmt.Errorf("open %s: %w", dev, err)
			}
			return &port{fd: fd}, nil
		}
		time.Sleep(wait)
	}
}

// Read blocks until there is something. The driver reads as ended while the
// host's side is closed; the host may come back, as it does after a restore.
func (p *port) Read(b []byte) (int, error) {
	for {
		if p.closed.Load() {
			return 0, os.ErrClosed
		}
		n, err := unix.Read(p.fd, b)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			time.Sleep(20 * time.Millisecond)
		case !errors.Is(err, unix.EINTR):
			return 0, fmt.Errorf("read port: %w", err)
		}
	}
}

func (p *port) Write(b []byte) (done int, err error) {
	for done < len(b) {
		if p.closed.Load() {
			return done, os.ErrClosed
		}
		n, err := unix.Write(p.fd, b[done:])
		if err != nil && !errors.Is(err, unix.EINTR) {
			return done, fmt.Errorf("write port: %w", err)
		}
		done += max(n, 0)
	}
	return done, nil
}

// Close closes the port once: SSH closes what it has given up, and so may others.
func (p *port) Close() error {
	if p.closed.Swap(true) {
		return os.ErrClosed
	}
	return unix.Close(p.fd)
}
