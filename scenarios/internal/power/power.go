// Package power uses the hibernation interfaces of the kernel.
package power

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	SnapshotFile  = "/dev/snapshot"
	DiskFile      = "/sys/power/disk"
	StateFile     = "/sys/power/state"
	ResumeFile    = "/sys/power/resume"
	ImageSizeFile = "/sys/power/image_size"
)

// OpenSnapshot opens the device through which user space suspends and resumes,
// without an ioctl.
func OpenSnapshot(flags int) observe.Report { return observe.WithFile(SnapshotFile, flags, nil) }

// DiskModes checks whether a mode can be chosen: disk_show prints "[disabled]"
// if hibernation is denied.
func DiskModes() observe.Report {
	text, r := observe.ReadText(DiskFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	r.Call = fmt.Sprintf("read(%q, %q)", DiskFile, text)
	if text == "[disabled]" {
		r.Outcome = observe.Denied
	}
	return r
}

// WriteDiskBack writes the current mode back.
func WriteDiskBack() observe.Report {
	text, r := observe.ReadText(DiskFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	_, mode, _ := strings.Cut(text, "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "disabled" { // the current mode is hidden; this is the default without a platform driver
		mode = "shutdown"
	}
	return observe.WriteText(DiskFile, mode)
}

// StateHasDisk checks whether hibernation is among the offered states.
func StateHasDisk() observe.Report {
	text, r := observe.ReadText(StateFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	r.Call = fmt.Sprintf("read(%q, %q)", StateFile, text)
	if !slices.Contains(strings.Fields(text), "disk") {
		r.Outcome = observe.Denied
	}
	return r
}

// WriteState starts hibernation so that it ends at once: hibernate() checks
// lockdown first, and then returns EBUSY because the snapshot device is open.
// If lockdown denies that device, hibernation is expected to be denied, too. If
// it is not, it still ends, because there is no swap to write to.
func WriteState() observe.Report {
	fd, err := unix.Open(SnapshotFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		defer unix.Close(fd)
	case unix.EPERM:
	default:
		return observe.FromError(observe.OpenCall(SnapshotFile, unix.O_RDONLY), err)
	}
	// EBUSY while the device is open, ENODEV and ENOSPC without swap.
	return observe.AllowedIf(observe.WriteText(StateFile, "disk"), unix.EBUSY, unix.ENODEV, unix.ENOSPC)
}

// NoDisk is a device number without a driver.
const NoDisk = "255:255"

// WriteResume sets the device to resume from, which also tries to resume. If
// that is denied, resume_store ignores the data and returns success.
func WriteResume() observe.Report {
	was, r := observe.ReadText(ResumeFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	if r = observe.WriteText(ResumeFile, NoDisk); r.Outcome != observe.Allowed {
		return r
	}
	is, r := observe.ReadText(ResumeFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	r.Call = fmt.Sprintf("write(%q, %q) = ok, read(%q) = %q", ResumeFile, NoDisk, ResumeFile, is)
	if is == was {
		r.Outcome = observe.Denied
		return r
	}
	if back := observe.WriteText(ResumeFile, was); back.Outcome != observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Errno: back.Errno, Call: back.Call, Why: "cannot undo the act"}
	}
	return r
}
