package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
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

// openPort opens the virtio-serial port that the host gave the name, waiting for
// it: the device tells its ports' names after it was found.
func openPort(name string) (*port, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		for device := range maxDevices {
			fd, err := openPortOf(device, name)
			if err != nil {
				return nil, err
			}
			if fd >= 0 {
				return &port{fd: fd}, nil
			}
		}
		time.Sleep(wait)
	}
}

// maxDevices bounds the virtio devices that are looked at: the lab's machine
// has one.
const maxDevices = 8

// openPortOf opens the first port of the virtio device with the number, if its
// name is this; -1: it is not, or not yet. The kernel calls it vport0p1
// (drivers/char/virtio_console.c:add_port, v6.12).
func openPortOf(device int, name string) (fd int, err error) {
	node := "vport" + strconv.Itoa(device) + "p1"
	got, err := readBounded("/sys/class/virtio-ports/" + node + "/name")
	if err != nil || strings.TrimSuffix(got, "\n") != name {
		return -1, nil
	}
	fd, err = unix.Open("/dev/"+node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return -1, nil // sysfs is ahead of devtmpfs
	case err != nil:
		return -1, fmt.Errorf("open /dev/%s: %w", node, err)
	}
	return fd, nil
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
