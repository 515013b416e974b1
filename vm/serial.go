package vm

import "net"

// Serial is the other end of the guest's second serial port: what is written
// here the guest reads there. It is nil without Config.Serial, and closed by
// Close. What the guest writes while nobody reads here stalls it.
func (m *Machine) Serial() net.Conn { return m.serial }

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
