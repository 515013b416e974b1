// Package serial changes the settings of a serial port.
package serial

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Port has no hardware: the driver creates four ports, and the lab's machines
// have fewer. Nothing uses it, so its settings may change.
const Port = "/dev/ttyS3"

// Struct is struct serial_struct: include/uapi/linux/serial.h, v6.12.
type Struct struct {
	Type          int32
	Line          int32
	Port          uint32
	IRQ           int32
	Flags         int32
	XmitFIFOSize  int32
	CustomDivisor int32
	BaudBase      int32
	CloseDelay    uint16 // in 1/100 s
	IOType        uint8
	_             uint8
	Hub6          int32
	ClosingWait   uint16
	_             uint16
	IomemBase     uintptr
	IomemRegShift uint16
	PortHigh      uint32
	IomapBase     uintptr
}

// Open opens the port like one without carrier, with O_NONBLOCK.
func Open(act func(fd int) observe.Report) observe.Report {
	r := observe.WithFile(Port, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, act)
	why := "CONFIG_SERIAL_8250"
	if observe.Exists("/dev/ttyS0") { // the driver exists but has fewer ports
		why = Port
	}
	return observe.UnavailableIf(r, why, unix.ENOENT, unix.ENXIO, unix.ENODEV)
}

func (s *Struct) Ioctl(fd int, cmd uintptr) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(s))); e != 0 {
		return e
	}
	return nil
}

// Set changes settings of the port and restores them.
func Set(fd int, what string, change func(*Struct)) observe.Report {
	var was Struct
	if err := was.Ioctl(fd, unix.TIOCGSERIAL); err != nil {
		return observe.SetupFailed(fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", Port), err)
	}
	// A port without firmware description has a clock of 0, which uart_set_info
	// rejects after the lockdown check: it requires 9600 baud or more. So Set
	// sets 115200, which is not part of the act, and leaves it.
	if was.BaudBase == 0 {
		was.BaudBase = 115200
	}
	is := was
	change(&is)
	err := is.Ioctl(fd, unix.TIOCSSERIAL)
	if err == nil && is != was {
		if err := was.Ioctl(fd, unix.TIOCSSERIAL); err != nil {
			return observe.SetupFailed("TIOCSSERIAL back", err)
		}
	}
	return observe.FromError(fmt.Sprintf("ioctl(%q, TIOCSSERIAL, %s)", Port, what), err)
}
