package scenarios

import (
	"context"
	"fmt"
	"maps"
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
	storedFirst := []Condition{
		{Until: "6.5", Then: ThenAbsent, Source: "resume_store, v6.1.187, takes 0:0 for an error, so nobody could undo the act"},
		{Until: "6.12", Then: ThenDeniedLater, Source: "kernel/power/hibernate.c:resume_store, v6.1: stores the number of the device; software_resume then refuses"},
	}
	const site = "kernel/power/hibernate.c:hibernation_available"
	needs, snapshot := []string{"CONFIG_HIBERNATION"}, []string{"CONFIG_HIBERNATION_SNAPSHOT_DEV"}
	s := Scenario{Name: "hibernation", Title: "write kernel memory to disk, or take it from there"}
	for _, p := range []struct {
		name, act string
		expect    Expectation
		lines     int
		needs     []string
		run       func() Report
		more      func() []Variant
	}{
		{name: "snapshot-read", act: observe.OpenCall(power.SnapshotFile, unix.O_RDONLY), needs: snapshot,
			run: func() Report { return power.OpenSnapshot(unix.O_RDONLY) }, more: func() []Variant {
				return openings(map[string]int{"O_NONBLOCK": unix.O_NONBLOCK, "O_SYNC": unix.O_SYNC, "O_LARGEFILE|O_NOATIME": unix.O_LARGEFILE | unix.O_NOATIME})
			}},
		{name: "snapshot-write", act: observe.OpenCall(power.SnapshotFile, unix.O_WRONLY), needs: snapshot,
			run: func() Report { return power.OpenSnapshot(unix.O_WRONLY) }, more: func() []Variant {
				return openings(map[string]int{"O_WRONLY|O_NONBLOCK": unix.O_WRONLY | unix.O_NONBLOCK, "O_WRONLY|O_TRUNC": unix.O_WRONLY | unix.O_TRUNC, "for ioctl only": unix.O_ACCMODE, "O_RDWR": unix.O_RDWR})
			}},
		{name: "disk-read", act: fmt.Sprintf("read(%q)", power.DiskFile), needs: needs, run: power.DiskModes},
		{name: "disk-write", act: observe.WriteCall(power.DiskFile, "another mode"), lines: 2, needs: needs,
			run: func() Report { return power.WriteDisk(unix.O_WRONLY, "") }, more: func() []Variant {
				return append(power.WriteDiskModes(), power.WriteDisk(unix.O_WRONLY, "\n").Vary("with a newline"), power.WriteDisk(unix.O_RDWR, "").Vary("O_RDWR"))
			}},
		{name: "state-read", act: fmt.Sprintf("read(%q)", power.StateFile), needs: needs, run: power.StateHasDisk},
		{name: "state-write", act: observe.WriteCall(power.StateFile, "disk"), lines: 2, needs: slices.Concat(needs, snapshot),
			run: func() Report { return power.WriteState(unix.O_WRONLY, "disk") }, more: func() []Variant {
				return []Variant{power.WriteState(unix.O_WRONLY, "disk\n").Vary("with a newline"), power.WriteState(unix.O_RDWR, "disk").Vary("O_RDWR")}
			}},
		{name: "resume-write", act: observe.WriteCall(power.ResumeFile, power.NoDisk), lines: 2, needs: needs,
			run: func() Report { return power.WriteResume(power.NoDisk) }, more: func() []Variant {
				return []Variant{
					power.WriteResume(power.NoDisk + "\n").Vary("with a newline"),
					power.WriteResume(power.NoDiskHex).Vary("device in hexadecimal"),
					power.WriteResume(power.NoDisk + ":8:").Vary("with an offset"),
				}
			}},
		{name: "resume-read", act: fmt.Sprintf("read(%q)", power.ResumeFile), expect: Unchecked, needs: needs, run: func() Report { _, r := observe.ReadText(power.ResumeFile); return r }},
		{name: "image-size", act: observe.WriteCall(power.ImageSizeFile, "another number"), expect: Unchecked, needs: needs, run: func() Report { return power.SetNumber(power.ImageSizeFile) }},
		{name: "resume-offset", act: observe.WriteCall(power.OffsetFile, "another number"), expect: Unchecked, needs: needs, run: func() Report { return power.SetNumber(power.OffsetFile) }},
	} {
		absent := func(r Report) Report { return observe.UnavailableIf(r, p.needs[len(p.needs)-1], unix.ENOENT) }
		act := Act{Do: func(context.Context, Env) Report { return absent(p.run()) }}
		if p.more != nil {
			act.More = func(context.Context, Env) []Variant { return p.more() }
		}
		where := Where{Site: site, Needs: p.needs}
		if p.name == "resume-write" {
			where.Conditions = storedFirst
		}
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: p.act, Reason: "hibernation", Expect: p.expect},
			Where:    where,
			Schedule: Schedule{Lines: p.lines},
			Act:      act,
		})
	}
	s.Probes = append(s.Probes, Probe{
		// If nothing is locked, the call waits for itself for ever, and nobody
		// can suspend or power off any more.
		Claim:    Claim{Name: "reboot", Call: "reboot(LINUX_REBOOT_CMD_SW_SUSPEND)", Reason: "hibernation"},
		Where:    Where{Site: site, Needs: []string{"CONFIG_HIBERNATION", "CONFIG_KALLSYMS"}},
		Schedule: Schedule{Machine: Held, Exclusive: true},
		Act:      Act{Do: func(ctx context.Context, _ Env) Report { return power.Reboot(ctx) }, Apart: true},
	})
	return s
}

// openings are the variants of opening the snapshot device.
func openings(flags map[string]int) (list []Variant) {
	for _, args := range slices.Sorted(maps.Keys(flags)) {
		list = append(list, power.OpenSnapshot(flags[args]).Vary(args))
	}
	return list
}
