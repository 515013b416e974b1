// Command testguest is PID 1 of the guests that package vm is tested with. It
// keeps to the lab's protocol, or breaks it in the way that the kernel
// argument ldlab.test= names.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("testguest:", err)
	}
	// Reached only after an error. PID 1 must not exit: that is the panic test.
	for {
		time.Sleep(time.Hour)
	}
}

func run() error {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"},
	} {
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	mode := "serve"
	for _, arg := range strings.Fields(string(cmdline)) {
		if m, ok := strings.CutPrefix(arg, "ldlab.test="); ok {
			mode = m
		}
	}
	port, err := openPort(vport.Name)
	if err != nil {
		return err
	}
	do, ok := modes[mode]
	if !ok {
		return fmt.Errorf("unknown mode %q", mode)
	}
	if err := do(port); err != nil {
		return err
	}
	hangs()
	return nil
}

// hangs writes to the console that the guest does nothing from now on, so that
// a test of that need not wait until it is likely.
func hangs() { fmt.Println("testguest: hangs") } // vmtest.Hangs

// openPort opens the virtio port of that name. There is no udev: the port is
// found through sysfs.
func openPort(name string) (port, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return port{}, err
	}
	for _, file := range names {
		got, err := os.ReadFile(file)
		if err != nil {
			return port{}, err
		}
		if strings.TrimSpace(string(got)) != name {
			continue
		}
		fd, err := unix.Open("/dev/"+filepath.Base(filepath.Dir(file)), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return port{}, fmt.Errorf("open port %s: %w", name, err)
		}
		return port{fd}, nil
	}
	return port{}, fmt.Errorf("no virtio port is named %s", name)
}

// modes are what the guest can do instead of serving. None returns without an
// error, but for those that leave the machine to die.
var modes = map[string]func(port) error{
	"serve":    serve,
	"poweroff": func(port) error { return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) },
	"reboot":   func(port) error { return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) },
	"panic":    func(port) error { return sysrq("c") },
	"exit":     func(port) error { syscall.Exit(0); return nil },
	"silent":   func(port) error { return nil },
	"garbage": func(p port) error {
		_, err := p.Write([]byte(strings.Repeat("garbage", 10000)))
		return err
	},
	"half": func(p port) error {
		_, err := p.Write([]byte(vport.Ready[:5]))
		return err
	},
	"badssh": func(p port) error {
		if _, err := p.Write([]byte(vport.Ready)); err != nil {
			return err
		}
		_, err := p.Write([]byte(strings.Repeat("SSH-2.0-nonsense\n", 1000)))
		return err
	},
	"mute": func(p port) error {
		_, err := p.Write([]byte(vport.Ready))
		return err
	},
	"flood": func(p port) error {
		line := []byte(strings.Repeat("flood", 200) + "\n")
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				return err
			}
		}
	},
}

// sysrq writes a SysRq key, as a keyboard would send it.
func sysrq(key string) error {
	return os.WriteFile("/proc/sysrq-trigger", []byte(key), 0)
}

// port is a virtio port read and written by blocking system calls: Go's poller
// and virtio_console together lose wake-ups.
type port struct{ fd int }

func (p port) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(p.fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("read port: %w", err)
		case n > 0 || len(b) == 0:
			return n, nil
		default: // the host's side is closed; it may come back
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (p port) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(p.fd, b[done:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, fmt.Errorf("write port: %w", err)
		default:
			done += n
		}
	}
	return done, nil
}
