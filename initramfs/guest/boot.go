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

	"github.com/ldlab/ldlab/initramfs/guest/footprint"
	"github.com/ldlab/ldlab/initramfs/guest/klog"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/scenarios"
)

// memoryLimit is the heap size in bytes at which this program collects garbage
// in a guest that is going to be forked.
const memoryLimit = 64 << 20

// boot is the main function of PID 1. It never returns, because the kernel
// panics when PID 1 ends.
func boot() {
	program = os.Args[0] // the kernel passes the path
	g := &guest{
		started:  time.Now(),
		marks:    []scenarios.Mark{{Name: guestproto.MarkRuns, NS: int64(uptime())}},
		children: &children{},
		clock:    kernelClock{},
	}
	g.off = func() { powerOff(g.children.stuck) }
	g.machine = &realMachine{klog.New(), g}
	noHugePages()
	g.bootErrors = loadModules(guestproto.ModulesDir)
	if len(g.bootErrors) > 0 {
		g.portWait = portWait
	}
	g.bootErrors = append(g.bootErrors, mountAll(mounts...)...) // file systems may be modules
	g.look = footprint.Open().Read
	for _, e := range g.bootErrors { // without its port, this program has only the console
		fmt.Fprintf(os.Stderr, "%s%s\n", guestproto.OnConsole, e)
	}
	if err := g.run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", guestproto.OnConsole, err)
		if errors.Is(err, errNoPort) {
			g.off()
		}
	}
	// The host has hung up or does not speak this protocol. It owns this
	// machine and will end it.
	for {
		time.Sleep(time.Hour)
	}
}

// portWait is how long the port is waited for if a module could not be loaded, which
// may be its driver's. Otherwise the host decides.
const portWait = 10 * time.Second

// noHugePages keeps this process and its children from huge pages, which
// distributions turn on: a child that needs 1 MiB would take several of 2 MiB.
func noHugePages() {
	_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0) // a kernel without them answers EINVAL
}

// run serves one host on the port until the host hangs up.
func (g *guest) run(ctx context.Context) error {
	if err := checkDrivers("/"); err != nil {
		return err
	}
	port, err := openPort(portNode, g.portWait)
	if err != nil {
		return err
	}
	if cmdline, err := readBounded("/proc/cmdline"); err == nil && workersWanted(cmdline) > 0 {
		if err := g.prefork(ctx, workersWanted(cmdline)+1); err != nil { // one for the rehearsal
			g.bootErrors = append(g.bootErrors, err.Error())
		}
		// Garbage collection is off: each fork would have to translate the
		// collector's code again.
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(memoryLimit)
		r := newCellRun(g, io.Discard)
		r.drainBoot()
		g.boot = &r.evidence
		g.rehearse(ctx)
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
		return g.serveCells(ctx, port)
	}
	return g.serveSSH(ctx, p, port)
}

// serveCells answers requests on the port, without SSH.
func (g *guest) serveCells(ctx context.Context, port *port) error {
	for {
		err := newCellRun(g, port).answer(ctx, port)
		if errors.Is(err, errOff) {
			g.off()
		}
		if err != nil {
			return err
		}
	}
}

// freshen sets the clock and adds entropy, so that guests forked from one
// template differ. A guest that booted needs it, too: the lab's arm64 kernel has
// no driver for a real-time clock and starts in 1970.
func freshen(p vport.Preamble) error {
	ts := unix.NsecToTimespec(p.UnixNano)
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return fmt.Errorf("set clock: %w", err)
	}
	return addEntropy(p.Entropy)
}

// addEntropy credits the bytes to the kernel's pool and reseeds its generator at
// once. Without the reseeding, forked guests would draw equal numbers.
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

// powerOff syncs and powers the machine off. A child that is stuck may hold the
// mutex that reboot(2) takes (kernel/reboot.c, v6.12); SysRq o does not take it.
func powerOff(stuck bool) {
	if stuck {
		if err := writeWhole("/proc/sysrq-trigger", "o"); err == nil {
			return
		}
	}
	syscall.Sync()
	if err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintf(os.Stderr, "ldlab-guest: power off: %v\n", err)
	}
}
