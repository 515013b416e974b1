package scenarios

import (
	"context"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// serialPort has no hardware: the driver makes four ports, and no machine of
// the lab has so many. So nobody uses it, and it may be told anything.
const serialPort = "/dev/ttyS3"

// serialStruct is struct serial_struct: include/uapi/linux/serial.h, v6.12.
type serialStruct struct {
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

func init() { register("serial", serialScenario) }

// Only a change of the interrupt or of what addresses the port asks:
// drivers/tty/serial/serial_core.c:uart_set_info, v6.12. Without CAP_SYS_ADMIN
// it says EPERM too, and a port that another holds is EBUSY, after lockdown.
func serialScenario() Scenario {
	const site = "drivers/tty/serial/serial_core.c:uart_set_info"
	s := Scenario{Name: "serial", Title: "move a serial port's interrupt and addresses with TIOCSSERIAL"}
	for _, p := range []struct {
		name, what string
		expect     Expectation
		change     func(*serialStruct)
	}{
		{"irq", "another irq", Checked, func(s *serialStruct) { s.IRQ ^= 6 }}, // 3 to 5, 0 to 6: no interrupt is requested
		{"port", "another port", Checked, func(s *serialStruct) { s.Port ^= 0x10 }},
		{"iomem", "another iomem_base", Checked, func(s *serialStruct) { s.IomemBase ^= 0x1000 }},
		{"hub6", "another hub6", Checked, func(s *serialStruct) { s.Hub6 ^= 1 }},
		{"same", "as it is", Unchecked, func(*serialStruct) {}},
		{"close-delay", "another close_delay", Unchecked, func(s *serialStruct) { s.CloseDelay ^= 1 }},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: fmt.Sprintf("ioctl(%q, TIOCSSERIAL, %s)", serialPort, p.what),
			Reason: "tiocsserial", Expect: p.expect, Site: site, Needs: []string{"CONFIG_SERIAL_8250"},
			Act: func(context.Context, Env) Result {
				return serial(func(fd int) Result { return setSerial(fd, p.what, p.change) })
			},
		})
	}
	s.Probes = append(s.Probes, Probe{
		Name: "get", Call: fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", serialPort), Expect: Unchecked,
		Reason: "tiocsserial", Site: "drivers/tty/serial/serial_core.c:uart_get_info_user", Needs: []string{"CONFIG_SERIAL_8250"},
		Act: func(context.Context, Env) Result {
			return serial(func(fd int) Result {
				var s serialStruct
				return judge(fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", serialPort), s.ioctl(fd, unix.TIOCGSERIAL))
			})
		},
	})
	return s
}

// serial opens the port as one that has no carrier must be opened.
func serial(act func(fd int) Result) Result {
	r := with(serialPort, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, act)
	why := "CONFIG_SERIAL_8250"
	if exists("/dev/ttyS0") { // the driver is there, with fewer ports
		why = serialPort
	}
	return absent(r, why, unix.ENOENT, unix.ENXIO, unix.ENODEV)
}

func (s *serialStruct) ioctl(fd int, cmd uintptr) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(unsafe.Pointer(s))); e != 0 {
		return e
	}
	return nil
}

// setSerial changes what describes the port and puts back what was there.
func setSerial(fd int, what string, change func(*serialStruct)) Result {
	var was serialStruct
	if err := was.ioctl(fd, unix.TIOCGSERIAL); err != nil {
		return failed(fmt.Sprintf("ioctl(%q, TIOCGSERIAL)", serialPort), err)
	}
	// A port that no firmware described has a clock of 0, which cannot be set:
	// uart_set_info wants 9600 baud or more, after lockdown. The clock is not
	// lockdown's business, and 115200 stays.
	if was.BaudBase == 0 {
		was.BaudBase = 115200
	}
	is := was
	change(&is)
	err := is.ioctl(fd, unix.TIOCSSERIAL)
	if err == nil && is != was {
		if err := was.ioctl(fd, unix.TIOCSSERIAL); err != nil {
			return failed("TIOCSSERIAL back", err)
		}
	}
	return judge(fmt.Sprintf("ioctl(%q, TIOCSSERIAL, %s)", serialPort, what), err)
}
