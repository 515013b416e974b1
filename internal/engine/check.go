package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// checkStates reports why no verdict follows from a machine's states; nil if
// one does. A setting that is not in force is a verdict: the matrix judges it.
func checkStates(r matrix.MachineRun) error {
	locked := r.State(guestproto.WhenLocked)
	if locked == nil {
		return fmt.Errorf("check setting: the guest never reported what is locked")
	}
	return nil
}

// checkLocked is checkStates for a guest whose user is told if its setting is not in
// force.
func checkLocked(s lockdown.Setting, r matrix.MachineRun) error {
	if err := checkStates(r); err != nil || !s.Locked() {
		return err
	}
	locked := r.State(guestproto.WhenLocked)
	for _, e := range locked.Errors {
		if strings.HasPrefix(e, guestproto.LockFailed) {
			return fmt.Errorf("check setting: %s", e)
		}
	}
	if !hasLockdown(locked) {
		return fmt.Errorf("check setting: %s is %q, without lockdown: nothing is enforced, whatever the level file shows",
			lockdown.LSMFile, strings.TrimSpace(locked.LSM))
	}
	return nil
}

func hasLockdown(s *scenarios.State) bool {
	return slices.Contains(strings.Split(strings.TrimSpace(s.LSM), ","), "lockdown")
}

// A NoLockdownError is a kernel without the lockdown LSM: there is nothing to test.
type NoLockdownError struct {
	Kernel, Arch string
	Why          string // how that is known
}

func (e *NoLockdownError) Error() string {
	return fmt.Sprintf("kernel %s %s: this kernel has no lockdown LSM, so there is nothing to test: %s", e.Kernel, e.Arch, e.Why)
}

// lockdownSymbol is that of the lockdown LSM.
const lockdownSymbol = "CONFIG_SECURITY_LOCKDOWN_LSM"

// checkLSM reports that a kernel has no lockdown LSM, as far as that is known before it
// boots: by its configuration, or by its texts.
func checkLSM(k *kernel) error {
	e := &NoLockdownError{Kernel: k.build.Kernel.Name, Arch: k.build.Arch.Name}
	switch value, known := k.built.ConfigValue(lockdownSymbol); {
	case known && value != "y":
		e.Why = lockdownSymbol + " is off"
	case !known && k.built.NoLockdown:
		e.Why = "the image has no text of it"
	default:
		return nil
	}
	return e
}

// unfit reports that nothing can be tested on the kernel of a result: it has no lockdown
// LSM, or it is an image of the user whose guest cannot talk to the lab, and another try
// would not help.
func unfit(r matrix.Result) error {
	why, final := r.End.NoPort()
	if why != "" && r.Origin.Ready && (final || r.Tries > 1) {
		return &kernels.InputError{Err: fmt.Errorf("%s: its guest cannot talk to the lab: %s (--config and --modules give what an image needs)", r.ID(), why)}
	}
	return lacksLSM(r)
}

// lacksLSM reports that the kernel of a result has no lockdown LSM: it has security
// modules, lockdown is none of them, its file is not there, and neither lsm= nor
// security= has left it out.
func lacksLSM(r matrix.Result) error {
	for _, m := range r.Machines {
		s := m.State(guestproto.WhenBoot)
		if s == nil || s.LSM == "" || s.Level != "" || hasLockdown(s) {
			continue
		}
		chosen := slices.ContainsFunc(strings.Fields(s.Cmdline), func(arg string) bool {
			return strings.HasPrefix(arg, "lsm=") || strings.HasPrefix(arg, "security=")
		})
		if !chosen {
			return &NoLockdownError{r.Kernel, r.Arch, fmt.Sprintf("there is no %s, and %s is %q", lockdown.LevelFile, lockdown.LSMFile, strings.TrimSpace(s.LSM))}
		}
	}
	return nil
}
