package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/engine/event"
	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// TestCheckLocked: a run needs a state only, because whether the setting is in force is
// a verdict. The user of a shell is told.
func TestCheckLocked(t *testing.T) {
	const integ = "none [integrity] confidentiality\n"
	for _, tc := range []struct {
		name   string
		states []scenarios.State
		want   string
	}{
		{"good", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown,capability", Level: integ}}, ""},
		{"another level", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown"}}, ""},
		{"no state", nil, "never reported"},
		{"refused", []scenarios.State{{When: guestproto.WhenLocked, LSM: "lockdown", Level: integ, Errors: []string{guestproto.LockFailed + "write = EPERM"}}}, "lock: write = EPERM"},
		// 6.12 without EARLY and with lsm= lacking lockdown shows [integrity]
		// and enforces nothing.
		{"not an LSM", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,yama", Level: integ}}, "nothing is enforced"},
		{"an LSM with a similar name", []scenarios.State{{When: guestproto.WhenLocked, LSM: "capability,lockdown2", Level: integ}}, "nothing is enforced"},
	} {
		run := matrix.MachineRun{States: tc.states}
		if err := checkStates(run); (err != nil) != (tc.states == nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		err := checkLocked(lockdown.Setting{Level: lockdown.Integrity}, run)
		if open := checkLocked(lockdown.Setting{}, run); (open != nil) != (tc.states == nil) {
			t.Errorf("%s, nothing to lock: %v", tc.name, open)
		}
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

// TestNoLockdown: a kernel without the LSM is told from one whose arguments leave it
// out.
func TestNoLockdown(t *testing.T) {
	for _, tc := range []struct {
		name  string
		state scenarios.State
		want  bool
	}{
		{"none", scenarios.State{LSM: "capability,yama"}, true},
		{"left out by lsm=", scenarios.State{LSM: "capability,yama", Cmdline: "quiet lsm=yama"}, false},
		{"left out by security=", scenarios.State{LSM: "capability,selinux", Cmdline: "security=selinux"}, false},
		{"left out, and its file is there", scenarios.State{LSM: "capability", Level: "[none]"}, false},
		{"there", scenarios.State{LSM: "lockdown,capability", Level: "[none]"}, false},
		{"its file cannot be read", scenarios.State{LSM: "lockdown,capability"}, false},
		{"no securityfs", scenarios.State{}, false},
	} {
		tc.state.When = guestproto.WhenBoot
		err := lacksLSM(matrix.Result{Guest: matrix.Guest{Kernel: "k", Arch: "a"}, Machines: []matrix.MachineRun{{States: []scenarios.State{tc.state}}}})
		if (err != nil) != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	k := readyKernel(t, "CONFIG_SECURITY=y\n", nil)
	if err := checkLSM(k); err == nil || err.Error() != "kernel debian:6.1 x86_64: this kernel has no lockdown LSM, so there is nothing to test: CONFIG_SECURITY_LOCKDOWN_LSM is off" {
		t.Errorf("%v", err)
	}
	if err := checkLSM(readyKernel(t, "CONFIG_SECURITY_LOCKDOWN_LSM=y\n", nil)); err != nil {
		t.Error(err)
	}
	i := image.Image{Path: "vmlinuz", Arch: k.build.Arch, NoLockdown: true}
	if err := checkLSM(&kernel{build: k.build, built: kernels.OfImage(i)}); err == nil || !strings.Contains(err.Error(), "no text of it") {
		t.Errorf("%v", err)
	}
}

// TestNoPort: the console distinguishes a guest without a port from a lost one. Only an
// image of the user ends the run, and only if another try would not help.
func TestNoPort(t *testing.T) {
	const load, probe = "ldlab-guest: load module 000-virtio_console.ko: key was rejected by service", "ldlab-guest: load module 002-msr.ko: invalid argument"
	const noPCI = "[ 1.0] x ldlab-guest: the kernel does not show the host's port: it has no driver virtio_pci"
	const noConsole, late = "ldlab-guest: the kernel does not show the host's port: it has no driver virtio_console", "ldlab-guest: the kernel does not show the host's port: it did not come within 10s"
	const cause = "k/a/none: its guest cannot talk to the lab: "
	for _, tc := range []struct {
		console []string
		built   bool
		try     int
		want    string
	}{
		{[]string{"", load, noConsole}, false, 1, cause + "load module 000-virtio_console.ko: key was rejected by service"},
		{[]string{load, noPCI}, false, 1, cause + "the kernel does not show the host's port: it has no driver virtio_pci"},
		{[]string{probe, noConsole}, false, 1, cause + "the kernel does not show the host's port: it has no driver virtio_console"},
		{[]string{noPCI}, false, 1, cause + "the kernel does not show the host's port: it has no driver virtio_pci"},
		{[]string{noPCI}, true, 1, ""},
		{[]string{load, late}, false, 1, ""},
		{[]string{load, late}, false, 2, cause + "load module 000-virtio_console.ko"},
		{[]string{late}, false, 2, cause + "the kernel does not show the host's port: it did not come within 10s"},
		{[]string{load, "and it hung"}, false, 1, ""},
		{[]string{"ldlab-guest: read preamble: EOF"}, false, 1, ""},
		{nil, false, 1, ""},
	} {
		res := matrix.Result{Guest: matrix.Guest{Kernel: "k", Arch: "a"}, Origin: matrix.Origin{Ready: !tc.built}, End: matrix.End{Ending: matrix.LostByGuest, Cause: "power-off", Console: tc.console}}
		b := &batch{stage: &Stage{feed: event.New(func(Event) {})}, ended: outcome} // no store: this test's jobs are never stored
		kept := b.keep(t.Context(), job{guest: res.Guest, try: tc.try}, res, 0)
		if kept != (tc.want == "") || (b.fail != nil) == kept || len(b.again) > 0 != kept {
			t.Errorf("%q: kept %v, error %v, to run again %d", tc.console, kept, b.fail, len(b.again))
		}
		if !kept && (!errors.As(b.fail, new(*kernels.InputError)) || !strings.HasPrefix(b.fail.Error(), tc.want)) {
			t.Errorf("%q: %v, want %q", tc.console, b.fail, tc.want)
		}
	}
}
