package serial

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// OnPCI returns the terminal, below /dev, of a serial port that is a PCI device:
// it has hardware. The report is Allowed if there is one.
func OnPCI() (tty string, r observe.Report) {
	const call = `readdir("/sys/class/tty"), a port on PCI`
	links, _ := filepath.Glob("/sys/class/tty/ttyS*")
	for _, path := range links {
		// Below the root of the PCI bus, whose place differs between machines.
		if to, err := os.Readlink(path); err == nil && strings.Contains(to, "/pci0000:") {
			return filepath.Base(path), observe.FromError(call, nil)
		}
	}
	why := "a serial port on PCI"
	classes, _ := filepath.Glob("/sys/bus/pci/devices/*/class")
	for _, path := range classes {
		// PCI_CLASS_COMMUNICATION_SERIAL with the programming interface of a
		// 16550.
		if class, _ := observe.ReadBounded(path); strings.HasPrefix(class, "0x070002") {
			why = "CONFIG_SERIAL_8250_PCI" // the machine has the device
		}
	}
	return "", observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(call, unix.ENOENT), Errno: observe.ErrnoName(unix.ENOENT), Why: why}
}

// SetReal takes the interrupt from a port that has hardware and that nobody else
// has open, looks, and gives it back. Without an interrupt the driver polls
// (drivers/tty/serial/8250/8250_core.c:univ8250_setup_timer, v6.12), so the port
// starts whatever the machine's interrupts are.
func SetReal() observe.Report {
	tty, r := OnPCI()
	if r.Outcome != observe.Allowed {
		return r
	}
	path := "/dev/" + tty
	return observe.WithFile(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, func(fd int) observe.Report {
		return set(path, func(s *Struct, cmd uintptr) error { return s.Ioctl(fd, cmd) }, "irq 0", func(s *Struct) { s.IRQ = 0 })
	})
}

// SetControlling makes the port the controlling terminal of the process's session,
// changes a guarded setting, and gives the terminal up. The process must lead a
// session that has no terminal, and ignores hang-ups from then on: who gives up
// its terminal gets one (drivers/tty/tty_jobctrl.c:disassociate_ctty, v6.12).
func SetControlling(name string) observe.Variant {
	r := Open(func(fd int) observe.Report {
		signal.Ignore(unix.SIGHUP)
		if err := unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0); err != nil {
			return observe.SetupFailed("ioctl(TIOCSCTTY)", err)
		}
		r := Set(fd, "another "+name, Change(name))
		if err := unix.IoctlSetInt(fd, unix.TIOCNOTTY, 0); err != nil {
			r.Look += ", and stays the controlling terminal: " + observe.ErrnoName(err)
		}
		return r
	})
	return r.Vary(name + " of the controlling terminal")
}
