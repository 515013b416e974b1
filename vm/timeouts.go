package vm

import "time"

// Every deadline of this package. They are base values: ample for a machine
// that runs natively on an idle host. Config.Scale multiplies those of the
// guest.
const (
	// bootTimeout is from the start of QEMU to port.Ready.
	bootTimeout = 20 * time.Second
	// loginTimeout is from port.Ready to a usable SSH connection.
	loginTimeout = 10 * time.Second
	// powerOffTimeout is for the answer to port.CommandOff.
	powerOffTimeout = 5 * time.Second
)

// Deadlines of QEMU itself, which emulation does not slow down.
const (
	// qmpTimeout is for QEMU to start and greet, and for any one command.
	qmpTimeout = 10 * time.Second
	// settleTimeout is for QEMU to exit after its guest's port has closed.
	settleTimeout = 5 * time.Second
	// quitTimeout is for QEMU to obey "quit", and then again for SIGTERM.
	quitTimeout = 2 * time.Second
	// selfTestTimeout is for a guest under KVM to say port.Ready.
	selfTestTimeout = 10 * time.Second
)

// scaled multiplies a base value.
func scaled(d time.Duration, scale float64) time.Duration {
	return time.Duration(float64(d) * scale)
}
