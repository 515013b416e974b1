package vm

import "net"

// Serial is the other end of the guest's second serial port: what is written
// here the guest reads there. It is nil without Config.Serial, and closed by
// Close. What the guest writes while nobody reads here stalls it.
func (m *Machine) Serial() net.Conn { return m.serial }

// serialArgv is the second serial port. A PCI device: both machines' boards
// have one port of their own, the console, and pl011 cannot be added.
func (c Config) serialArgv(chardev string) []string {
	if !c.Serial {
		return nil
	}
	return []string{
		"-chardev", withID(chardev, "serial"),
		"-device", "pci-serial,chardev=serial",
	}
}

// keepSerial takes the lab's end of the second serial port. A machine without
// one inherited the other end all the same, so that the numbers of descriptors
// are constants; nobody uses it.
func (m *Machine) keepSerial(ours net.Conn) {
	if m.config.Serial {
		m.serial = ours
		return
	}
	ours.Close()
}
