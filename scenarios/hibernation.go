package scenarios

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/power"
)

func init() { register("hibernation", hibernationScenario) }

// All of hibernation is checked in one place, and each caller refuses in a way of
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
		run       func() Report
	}{
		{name: "snapshot-read", act: observe.OpenCall(power.SnapshotFile, unix.O_RDONLY), needs: snapshot, run: func() Report { return power.OpenSnapshot(unix.O_RDONLY) }},
		{name: "snapshot-write", act: observe.OpenCall(power.SnapshotFile, unix.O_WRONLY), needs: snapshot, run: func() Report { return power.OpenSnapshot(unix.O_WRONLY) }},
		{name: "disk-read", act: fmt.Sprintf("read(%q)", power.DiskFile), needs: needs, run: power.DiskModes},
		{name: "disk-write", act: observe.WriteCall(power.DiskFile, "as it is"), lines: 2, needs: needs, run: power.WriteDiskBack},
		{name: "state-read", act: fmt.Sprintf("read(%q)", power.StateFile), needs: needs, run: power.StateHasDisk},
		{name: "state-write", act: observe.WriteCall(power.StateFile, "disk"), lines: 2, needs: slices.Concat(needs, snapshot), run: power.WriteState},
		{name: "resume-write", act: observe.WriteCall(power.ResumeFile, power.NoDisk), lines: 2, needs: needs, run: power.WriteResume},
		{name: "resume-read", act: fmt.Sprintf("read(%q)", power.ResumeFile), expect: Unchecked, needs: needs, run: func() Report { _, r := observe.ReadText(power.ResumeFile); return r }},
		{name: "image-size", act: observe.WriteCall(power.ImageSizeFile, "as it is"), expect: Unchecked, needs: needs, run: func() Report { return observe.WriteBack(power.ImageSizeFile) }},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: p.act, Reason: "hibernation", Expect: p.expect},
			Where:    Where{Site: site, Needs: p.needs},
			Schedule: Schedule{Lines: p.lines},
			Act: Act{Do: func(context.Context, Env) Report {
				return observe.UnavailableIf(p.run(), p.needs[len(p.needs)-1], unix.ENOENT)
			}},
		})
	}
	return s
}
