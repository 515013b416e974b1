// Package serial changes the settings of a serial port.
package serial

import (
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
func Open(act func(fd int) observe.Report) observe.Report { return OpenAs(unix.O_RDWR, act) }

// OpenAs opens the port in another mode.
func OpenAs(mode int, act func(fd int) observe.Report) observe.Report {
	r := observe.WithFile(Port, mode|unix.O_NONBLOCK|unix.O_NOCTTY, act)
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
