// Package power uses the hibernation interfaces of the kernel.
package power

import (
	"fmt"
	"slices"
	"strconv"
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
	OffsetFile    = "/sys/power/resume_offset"
)

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

// WriteDisk sets another mode, ends the text as given, and puts the mode back. If
// it is refused, nothing shows the mode: disk_show prints "[disabled]".
func WriteDisk(flags int, end string) observe.Report {
	text, r := observe.ReadText(DiskFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	was, other := otherMode(text)
	return setDisk(flags, was, other, end)
}

// WriteDiskModes sets each mode that a kernel may have (kernel/power/hibernate.c:
// hibernation_modes, v6.12).
func WriteDiskModes() (list []observe.Variant) {
	text, _ := observe.ReadText(DiskFile)
	was, _ := otherMode(text)
	for _, mode := range []string{"platform", "shutdown", "reboot", "suspend", "test_resume"} {
		list = append(list, setDisk(unix.O_WRONLY, was, mode, "").Vary(mode))
	}
	return list
}

// setDisk sets a mode and puts back the one that was set; empty: it is not known.
func setDisk(flags int, was, other, end string) observe.Report {
	r := observe.WithFile(DiskFile, flags, func(fd int) observe.Report {
		_, err := unix.Write(fd, []byte(other+end))
		return observe.FromError(observe.WriteCall(DiskFile, other+end), err)
	})
	if r.Outcome != observe.Allowed || was == "" {
		return r
	}
	if is, look := observe.ReadText(DiskFile); look.Outcome != observe.Allowed || !strings.Contains(is, "["+other+"]") {
		r.Outcome, r.Why = observe.Failed, fmt.Sprintf("the mode was not set: read(%q) = %q", DiskFile, is)
	}
	if back := observe.WriteText(DiskFile, was); back.Outcome != observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Errno: back.Errno, Call: back.Call, Why: "cannot undo the act"}
	}
	return r
}

// otherMode finds the current mode in the list that the kernel shows, and another
// one. If the kernel does not show the current one, it is empty, and the other
// one is the default without a platform driver.
func otherMode(list string) (was, other string) {
	_, was, _ = strings.Cut(list, "[")
	was, _, _ = strings.Cut(was, "]")
	switch was {
	case "disabled", "":
		return "", "shutdown"
	case "reboot":
		return was, "shutdown"
	}
	return was, "reboot"
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
// it is not, it still ends, because there is no swap to write to. Once it has
// begun, the kernel logs its end (since v5.10), whatever it answers.
func WriteState(flags int, text string) observe.Report {
	fd, err := unix.Open(SnapshotFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		defer unix.Close(fd)
	case unix.EPERM:
	default:
		return observe.FromError(observe.OpenCall(SnapshotFile, unix.O_RDONLY), err)
	}
	log, err := observe.TailLog()
	if err != nil {
		return observe.SetupFailed(`open("/dev/kmsg")`, err)
	}
	r := observe.WithFile(StateFile, flags, func(fd int) observe.Report {
		_, err := unix.Write(fd, []byte(text))
		return observe.FromError(observe.WriteCall(StateFile, text), err)
	})
	// EBUSY while the device is open, ENODEV and ENOSPC without swap.
	return sawHibernation(observe.AllowedIf(r, unix.EBUSY, unix.ENODEV, unix.ENOSPC), log.Close())
}

// sawHibernation adds to a report whether the kernel logged hibernation. That it
// logged nothing shows nothing if the act was allowed: the kernel may be too old.
func sawHibernation(r observe.Report, log string) observe.Report {
	for _, line := range []string{"hibernation entry", "hibernation exit"} {
		if strings.Contains(log, line) {
			return r.Saw(true, fmt.Sprintf("the kernel logged %q", line))
		}
	}
	if r.Outcome == observe.Denied {
		r = r.Saw(false, "the kernel logged no hibernation")
	}
	return r
}

// Device numbers without a driver.
const (
	NoDisk    = "255:255"
	NoDiskHex = "ffff" // the same, as resume_store takes it, too
)

// WriteResume sets the device to resume from, which also tries to resume, and puts
// it back. If that is denied, resume_store returns success and sets nothing.
// Before v6.12 it sets the device without a check, and software_resume() refuses
// to resume.
func WriteResume(device string) observe.Report {
	was, r := observe.ReadText(ResumeFile)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	if was == "0:0" && !takesNone() {
		return observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: "a kernel that takes 0:0 back"}
	}
	r = observe.WriteText(ResumeFile, device)
	is, look := observe.ReadText(ResumeFile)
	if look.Outcome != observe.Allowed {
		return observe.CannotRead(look)
	}
	if is != was {
		if back := observe.WriteText(ResumeFile, was); back.Outcome != observe.Allowed {
			return observe.Report{Outcome: observe.Failed, Errno: back.Errno, Call: back.Call, Why: "cannot undo the act"}
		}
	} else if r.Outcome == observe.Allowed {
		r.Outcome = observe.Denied
	}
	shown := fmt.Sprintf("read(%q) = %q", ResumeFile, is)
	r.Call += ", " + shown
	return r.Saw(is != was, shown)
}

// takesNone reports whether the kernel takes 0:0 for the device, so that the act can be
// undone: until v6.5, kernel/power/hibernate.c:resume_store refuses the number 0.
func takesNone() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 5)
}

// SetNumber writes another number to a file that has one, reads it, and puts the
// first one back.
func SetNumber(path string) observe.Report {
	was, r := observe.ReadText(path)
	n, err := strconv.ParseUint(was, 10, 64)
	if r.Outcome != observe.Allowed || err != nil {
		return observe.CannotRead(r)
	}
	other := strconv.FormatUint(n^4096, 10)
	r = observe.WriteText(path, other)
	is, look := observe.ReadText(path)
	if look.Outcome != observe.Allowed {
		return observe.CannotRead(look)
	}
	if is != was {
		if back := observe.WriteText(path, was); back.Outcome != observe.Allowed {
			return observe.Report{Outcome: observe.Failed, Errno: back.Errno, Call: back.Call, Why: "cannot undo the act"}
		}
	}
	return r.Saw(is == other, fmt.Sprintf("read(%q) = %q", path, is))
}
