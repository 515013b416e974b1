package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	snapshotFile = "/dev/snapshot"
	powerDisk    = "/sys/power/disk"
	powerState   = "/sys/power/state"
	powerResume  = "/sys/power/resume"
	powerImage   = "/sys/power/image_size"
)

func init() { register("hibernation", hibernationScenario) }

// All of hibernation asks in one place, and each caller refuses in a way of
// its own: kernel/power/{hibernate,main,user}.c, v6.12. nohibernate and memory
// of memfd_secret(2) refuse alike, but without a line.
func hibernationScenario() Scenario {
	const site = "kernel/power/hibernate.c:hibernation_available"
	needs, snapshot := []string{"CONFIG_HIBERNATION"}, []string{"CONFIG_HIBERNATION_SNAPSHOT_DEV"}
	s := Scenario{Name: "hibernation", Title: "write kernel memory to disk, or take it from there"}
	for _, p := range []struct {
		name, act string
		expect    Expectation
		lines     int
		needs     []string
		run       func() Result
	}{
		{name: "snapshot-read", act: openAct(snapshotFile, unix.O_RDONLY), needs: snapshot, run: func() Result { return snapshotOpen(unix.O_RDONLY) }},
		{name: "snapshot-write", act: openAct(snapshotFile, unix.O_WRONLY), needs: snapshot, run: func() Result { return snapshotOpen(unix.O_WRONLY) }},
		{name: "disk-read", act: fmt.Sprintf("read(%q)", powerDisk), needs: needs, run: diskModes},
		{name: "disk-write", act: writeAct(powerDisk, "as it is"), lines: 2, needs: needs, run: diskRewrite},
		{name: "state-read", act: fmt.Sprintf("read(%q)", powerState), needs: needs, run: stateHasDisk},
		{name: "state-write", act: writeAct(powerState, "disk"), lines: 2, needs: slices.Concat(needs, snapshot), run: stateWrite},
		{name: "resume-write", act: writeAct(powerResume, noDisk), lines: 2, needs: needs, run: resumeWrite},
		{name: "resume-read", act: fmt.Sprintf("read(%q)", powerResume), expect: Unchecked, needs: needs, run: func() Result { _, r := readText(powerResume); return r }},
		{name: "image-size", act: writeAct(powerImage, "as it is"), expect: Unchecked, needs: needs, run: func() Result { return rewrite(powerImage) }},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: p.act, Reason: "hibernation", Expect: p.expect, Lines: p.lines, Site: site, Needs: p.needs,
			Act: func(context.Context, Env) Result { return absent(p.run(), p.needs[len(p.needs)-1], unix.ENOENT) },
		})
	}
	return s
}

// snapshotOpen opens the device that user space suspends and resumes through,
// and asks nothing of it.
func snapshotOpen(flags int) Result { return with(snapshotFile, flags, nil) }

// diskModes sees whether there are modes to choose from: disk_show says
// "[disabled]" where hibernation is refused.
func diskModes() Result {
	text, r := readText(powerDisk)
	if r.Outcome != Allowed {
		return unread(r)
	}
	r.Call = fmt.Sprintf("read(%q, %q)", powerDisk, text)
	if text == "[disabled]" {
		r.Outcome = Denied
	}
	return r
}

// diskRewrite chooses the mode that is chosen.
func diskRewrite() Result {
	text, r := readText(powerDisk)
	if r.Outcome != Allowed {
		return unread(r)
	}
	_, mode, _ := strings.Cut(text, "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "disabled" { // what is chosen is not told: this is the default without a platform's driver
		mode = "shutdown"
	}
	return writeText(powerDisk, mode)
}

// stateHasDisk sees whether hibernation is among the states that are offered.
func stateHasDisk() Result {
	text, r := readText(powerState)
	if r.Outcome != Allowed {
		return unread(r)
	}
	r.Call = fmt.Sprintf("read(%q, %q)", powerState, text)
	if !slices.Contains(strings.Fields(text), "disk") {
		r.Outcome = Denied
	}
	return r
}

// stateWrite starts hibernation and has it end at once: hibernate() asks
// lockdown first, and is then busy where the snapshot device is open. Where
// lockdown refuses that device there is nothing to hold hibernation back but
// the refusal that is looked for, and, if it is missing, that there is no swap
// to write to: then too it ends, with another error.
func stateWrite() Result {
	fd, err := unix.Open(snapshotFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		defer unix.Close(fd)
	case unix.EPERM:
	default:
		return judge(openAct(snapshotFile, unix.O_RDONLY), err)
	}
	// EBUSY while the device is open, ENODEV and ENOSPC without swap.
	return past(writeText(powerState, "disk"), unix.EBUSY, unix.ENODEV, unix.ENOSPC)
}

// noDisk is a device number that no driver has.
const noDisk = "255:255"

// resumeWrite names the device to resume from, which also tries to. Refused,
// resume_store swallows what is written and changes nothing.
func resumeWrite() Result {
	was, r := readText(powerResume)
	if r.Outcome != Allowed {
		return unread(r)
	}
	if r = writeText(powerResume, noDisk); r.Outcome != Allowed {
		return r
	}
	is, r := readText(powerResume)
	if r.Outcome != Allowed {
		return unread(r)
	}
	r.Call = fmt.Sprintf("write(%q, %q) = ok, read(%q) = %q", powerResume, noDisk, powerResume, is)
	if is == was {
		r.Outcome = Denied
		return r
	}
	if back := writeText(powerResume, was); back.Outcome != Allowed {
		return Result{Outcome: Failed, Errno: back.Errno, Call: back.Call, Why: "cannot undo the act"}
	}
	return r
}
