package physmem

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// PortFile is the device of I/O ports.
const PortFile = "/dev/port"

// OpenPort opens the device and performs the act on it.
func OpenPort(flags int, act func(fd int) observe.Report) observe.Report {
	return observe.UnavailableIf(observe.WithFile(PortFile, flags, act), "CONFIG_DEVPORT", unix.ENOENT, unix.ENXIO)
}

// ReadPort reads the ports of a PC's first PCI bridge, which have what was read
// last of the configuration of a device, and compares with what the kernel
// shows of the device.
func ReadPort() observe.Report {
	const data = 0xcfc // PCI Local Bus Specification 3.0, 3.2.2.3.2: CONFIG_DATA
	r := OpenPort(unix.O_RDONLY, func(fd int) (r observe.Report) {
		for range 3 { // the kernel may read the configuration of another device
			want, err := readDeviceID()
			if err != nil {
				return observe.SetupFailed("read the identity of PCI's first device", err)
			}
			var got [4]byte
			_, err = unix.Pread(fd, got[:], data)
			r = observe.FromError(fmt.Sprintf("pread(%q, 4, %#x)", PortFile, data), err).After(r)
			if r = r.Brought(bytes.Equal(got[:], want), fmt.Sprintf("read % x, and the first PCI device is % x", got, want)); r.Effect == observe.Happened {
				break
			}
		}
		return r
	})
	if r.Effect == "" {
		r = r.Saw(false, "the device is not open")
	}
	return r
}

// readDeviceID reads the vendor and the device from a device's configuration.
func readDeviceID() ([]byte, error) {
	fd, err := unix.Open("/sys/bus/pci/devices/0000:00:00.0/config", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, 4)
	_, err = unix.Pread(fd, b, 0)
	return b, err
}
