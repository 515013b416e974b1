package template

import "time"

const (
	// moveTimeout is for QEMU to save or to load a machine's state.
	moveTimeout = 30 * time.Second
	// settleTimeout is for QEMU to exit after its monitor has closed.
	settleTimeout = 5 * time.Second
	// queryTimeout is for QEMU to give the reason of a failure.
	queryTimeout = 2 * time.Second
	// settleBeforeSave is how long a guest is left alone after its first word, before
	// the scale: what it put off until it has nothing else to do (RCU's callbacks,
	// timers, threads that go to sleep) is then done, and not left to every fork.
	settleBeforeSave = 100 * time.Millisecond
)
