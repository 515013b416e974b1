package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/scenarios"
)

// memoryLimit is how much memory this program takes, in a guest that is going to
// be forked, before it collects garbage, in bytes.
const memoryLimit = 64 << 20

// boot is PID 1's life. It never returns: the end of PID 1 is a kernel panic.
func boot() {
	program = os.Args[0] // the kernel calls it by its path
	log := newKmsg()
	g := &guest{
		started:  time.Now(),
		marks:    []scenarios.Mark{{Name: guestproto.MarkRuns, NS: int64(uptime())}},
		children: &children{},
		log:      log.read,
		skipLog:  log.skip,
		off:      powerOff,
	}
	g.bootErrors = mountAll(mounts...)
	if err := g.run(); err != nil {
		fmt.Fprintf(os.Stderr, "ldlab-guest: %v\n", err)
	}
	// The host has gone, or never spoke our protocol. It owns this machine
	// and will end it; there is nothing to do here but to stay.
	for {
		time.Sleep(time.Hour)
	}
}

// run serves one host on the port until it hangs up.
func (g *guest) run() error {
	port, err := openPort()
	if err != nil {
		return err
	}
	if cmdline, err := readBounded("/proc/cmdline"); err == nil && workersWanted(cmdline) > 0 {
		if err := g.hire(workersWanted(cmdline) + 1); err != nil {
			g.bootErrors = append(g.bootErrors, err.Error()) // those that are missing start later
		}
		// To collect garbage would be new code for each fork.
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(memoryLimit)
		boot := newCellRun(g, io.Discard)
		boot.takeBoot()
		g.taken = boot
		g.rehearse()
	}
	if _, err := port.Write([]byte(vport.Ready)); err != nil {
		return fmt.Errorf("announce ready: %w", err)
	}
	g.marks = append(g.marks, scenarios.Mark{Name: guestproto.MarkReady, NS: int64(uptime())})
	var p vport.Preamble
	if err := vport.Read(port, &p); err != nil {
		return fmt.Errorf("read preamble: %w", err)
	}
	if p.Version != vport.Version {
		return fmt.Errorf("read preamble: host speaks version %d, guest %d", p.Version, vport.Version)
	}
	if err := freshen(p); err != nil {
		g.bootErrors = append(g.bootErrors, err.Error())
	}
	if len(p.HostKey) == 0 {
		return g.serveCells(port)
	}
	return g.serveSSH(p, port)
}

// serveCells answers requests straight on the port.
func (g *guest) serveCells(port *port) error {
	for {
		err := newCellRun(g, port).answer(context.Background(), port)
		if errors.Is(err, errOff) {
			g.off()
		}
		if err != nil {
			return err
		}
	}
}

// freshen makes this guest differ from others forked from the same template:
// clock and random numbers are its own. One that booted is told, too: the lab's
// arm64 kernel has no driver for a clock and starts in 1970.
func freshen(p vport.Preamble) error {
	ts := unix.NsecToTimespec(p.UnixNano)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return addEntropy(p.Entropy)
}

// addEntropy credits the bytes to the kernel's pool and makes its generator
// take them in at once: without that, forked guests draw equal numbers.
func addEntropy(fresh []byte) error {
	fd, err := unix.Open("/dev/urandom", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("add entropy: open /dev/urandom: %w", err)
	}
	defer unix.Close(fd)
	// struct rand_pool_info, include/uapi/linux/random.h: bits, bytes, data.
	info := binary.NativeEndian.AppendUint32(nil, uint32(8*len(fresh)))
	info = binary.NativeEndian.AppendUint32(info, uint32(len(fresh)))
	info = append(info, fresh...)
	if err := ioctlBytes(fd, unix.RNDADDENTROPY, info); err != nil {
		return fmt.Errorf("add entropy: RNDADDENTROPY: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.RNDRESEEDCRNG, 0); err != nil {
		return fmt.Errorf("add entropy: RNDRESEEDCRNG: %w", err)
	}
	return nil
}

// powerOff ends the machine.
func powerOff() {
	syscall.Sync()
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintf(os.Stderr, "ldlab-guest: power off: %v\n", err)
	}
}
