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

// OpenSnapshot opens the device that user space suspends and resumes through,
// and asks nothing of it.
func OpenSnapshot(flags int) observe.Report { return observe.WithFile(SnapshotFile, flags, nil) }

// DiskModes sees whether there are modes to choose from: disk_show says
// "[disabled]" where hibernation is refused.
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

// WriteDiskBack chooses the mode that is chosen.
func WriteDiskBack() observe.Report {
	text, r := observe.ReadText(DiskFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	_, mode, _ := strings.Cut(text, "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "disabled" { // what is chosen is not told: this is the default without a platform's driver
		mode = "shutdown"
	}
	return observe.WriteText(DiskFile, mode)
}

// StateHasDisk sees whether hibernation is among the states that are offered.
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

// WriteState starts hibernation and has it end at once: hibernate() asks
// lockdown first, and is then busy where the snapshot device is open. Where
// lockdown refuses that device there is nothing to hold hibernation back but
// the refusal that is looked for, and, if it is missing, that there is no swap
// to write to: then too it ends, with another error.
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

// NoDisk is a device number that no driver has.
const NoDisk = "255:255"

// WriteResume names the device to resume from, which also tries to. Refused,
// resume_store swallows what is written and changes nothing.
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
