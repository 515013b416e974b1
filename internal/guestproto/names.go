package guestproto

// When a State was taken.
const (
	WhenBoot   = "boot"   // before anything was locked at run time
	WhenLocked = "locked" // after the setting was locked
	WhenEnd    = "end"    // after the last probe and the last operation of the sequence
)

// Names of a State's marks, in the order in which a boot passes them.
const (
	MarkUnpack    = "initramfs is unpacked" // the kernel begins to unpack the initramfs
	MarkInitramfs = "initramfs is there"    // the kernel has freed the memory of the packed initramfs
	MarkInit      = "init is run"           // the kernel executes /init
	MarkRuns      = "guest program runs"    // main begins
	MarkReady     = "ready"                 // vport.Ready was written; the host sees this moment, too
)

// Kernel arguments that the host sets and something in the guest reads.
const (
	// ArgWorkers has the guest program start that many children before it is
	// ready, so that each fork of the guest finds them waiting.
	ArgWorkers = "ldlab.workers="

	// ArgMutate has a kernel of the lab series change the answer of a call site
	// before user space runs (kernels/patches/lab). The value is a
	// Request's Mutant with a colon in place of the space.
	ArgMutate = "ldlab_mutate="
)

// MaxWorkers bounds ArgWorkers. A child takes about 2 MiB of the guest's memory.
const MaxWorkers = 256

// LockFailed begins the error in a state of a write that was to lock the setting.
const LockFailed = "lock: "

// ModulesDir is the directory of the guest with the modules that its program loads
// first, in the order of their names.
const ModulesDir = "/ldlab-modules"

// OnConsole begins the lines that the guest's program writes to the console. It writes
// there only what it cannot tell the host on the port.
const OnConsole = "ldlab-guest: "

// NoPort is the beginning of its line if the kernel does not give it the port. NoDriver
// is that of a kernel without a driver, whose module follows.
const (
	NoPort   = "the kernel does not show the host's port"
	NoDriver = NoPort + ": it has no driver "
)

// LoadFailed begins what it writes of a module that it could not load.
const LoadFailed = "load module "
