package vm

import "time"

// timeouts are all deadlines of this package. The base values are ample for a
// machine that runs natively on an idle host; newTimeouts scales them, once.
type timeouts struct {
	boot     time.Duration // from the start of QEMU to vport.Ready
	login    time.Duration // from vport.Ready to a usable connection
	powerOff time.Duration // for the answer to the command to power off
	qmp      time.Duration // for QEMU to start and greet
	settle   time.Duration // for QEMU to exit after its guest's port has closed
	quit     time.Duration // for QEMU to obey "quit" or to answer a query, and then again for SIGTERM
}

// Base values, for a scale of 1 and a pace of 1.
const (
	bootTimeout     = 20 * time.Second
	loginTimeout    = 10 * time.Second
	powerOffTimeout = 5 * time.Second
	qmpTimeout      = 10 * time.Second
	settleTimeout   = 5 * time.Second
	quitTimeout     = 2 * time.Second
	// selfTestTimeout is for a guest under KVM to send vport.Ready.
	selfTestTimeout = 10 * time.Second
	// nominalBoot is what a guest takes from the start of QEMU to its first word:
	// 0.35 s under KVM, 1.05 s for an emulated x86_64 and 1.4 s for an arm64.
	nominalBoot = 350 * time.Millisecond
)

// newTimeouts scales the guest's deadlines by scale, in which the host's pace is
// included, and those of QEMU itself, which emulation does not slow down, by the
// host's pace alone.
func newTimeouts(scale, pace float64) timeouts {
	return timeouts{
		boot:     scaled(bootTimeout, scale),
		login:    scaled(loginTimeout, scale),
		powerOff: scaled(powerOffTimeout, scale),
		qmp:      scaled(qmpTimeout, pace),
		settle:   scaled(settleTimeout, pace),
		quit:     scaled(quitTimeout, pace),
	}
}

// timeouts are those of a machine with this Config.
func (c Config) timeouts() timeouts {
	t := newTimeouts(c.Scale, c.Pace.Factor())
	if c.BootTimeout > 0 {
		t.boot = c.BootTimeout
	}
	return t
}

// scaled multiplies a base value.
func scaled(d time.Duration, scale float64) time.Duration {
	return time.Duration(float64(d) * scale)
}
