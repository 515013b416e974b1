package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
)

// A port is a virtio-serial port. Its calls block in the kernel and never use
// Go's poller, because virtio_console loses a wake-up when a poll and a blocking
// write race.
type port struct {
	fd     int
	closed atomic.Bool // the descriptor may have been reused
}

// portNode is the lab's port: the machine has one device for ports, before any
// other virtio device, and one port on it (drivers/char/virtio_console.c:
// add_port, v6.12).
const portNode = "/dev/vport0p1"

// errNoPort is a port that does not come.
var errNoPort = errors.New(guestproto.NoPort)

// portDrivers are the directories of the drivers that the port needs: virtio_pci and
// virtio_console (virtio_pci_driver in drivers/virtio/virtio_pci_common.c, and
// virtio_console in drivers/char/virtio_console.c, v6.12).
var portDrivers = []struct{ bus, driver, module string }{
	{"/sys/bus/pci", "drivers/virtio-pci", "virtio_pci"},
	{"/sys/bus/virtio", "drivers/virtio_console", "virtio_console"},
}

// checkDrivers reports that the kernel has no driver for the port, which then never
// comes. Drivers in the image are there before the first program runs.
func checkDrivers(root string) error {
	if _, err := os.Stat(filepath.Join(root, "/sys/bus")); err != nil {
		return nil // without sysfs, nothing shows the drivers
	}
	for _, d := range portDrivers {
		if _, err := os.Stat(filepath.Join(root, d.bus, d.driver)); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w: it has no driver %s", errNoPort, d.module) // guestproto.NoDriver
		}
	}
	return nil
}

// openPort opens a port. It waits until the port exists, because the device reports
// its ports after it was probed; 0: as long as it takes.
func openPort(node string, limit time.Duration) (*port, error) {
	start := time.Now()
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil {
			return &port{fd: fd}, nil
		}
		if err != unix.ENOENT {
			return nil, fmt.Errorf("open %s: %w", node, err)
		}
		if limit > 0 && time.Since(start) > limit {
			return nil, fmt.Errorf("%w: it did not come within %s", errNoPort, limit)
		}
		time.Sleep(wait)
	}
}

// Read blocks until there is data. While the host's side is closed the driver
// returns 0, which is no end of file: the host may open it again, as it does
// after a restore.
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

// Close closes the port. Package ssh closes a connection more than once; all calls
// but the first return os.ErrClosed.
func (p *port) Close() error {
	if p.closed.Swap(true) {
		return os.ErrClosed
	}
	return unix.Close(p.fd)
}
