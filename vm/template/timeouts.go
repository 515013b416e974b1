package template

import "time"

// Deadlines of QEMU. Those without Config.Scale are multiplied by pace.Host.
const (
	// moveTimeout limits saving or loading a machine; times Config.Scale.
	moveTimeout = 30 * time.Second
	// settleTimeout is how long QEMU has to exit after its monitor has closed.
	settleTimeout = 5 * time.Second
	// queryTimeout is how long QEMU has to give the reason of a failure.
	queryTimeout = 2 * time.Second
	// settleBeforeSave is how long a guest is left idle after its guest program is
	// ready; times the accelerator's scale (vm.Config.NominalScale), or Config.Scale
	// if that is less. The host's pace does not raise it, because it is no deadline.
	// The guest then does once what it deferred (RCU callbacks, timers, threads that
	// go to sleep), and no fork has to.
	settleBeforeSave = 100 * time.Millisecond
)
