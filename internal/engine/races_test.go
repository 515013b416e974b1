package engine

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/lockdown"
)

// door is the file through which the lab locks single reasons of the posted series.
const door = "/sys/kernel/security/lockdown_door"

// The races of the review. What is locked and what is then denied belong together.
var (
	twoLevels = lockdown.Race{Writers: []lockdown.RaceWriter{
		{File: lockdown.LevelFile, Data: "integrity", Act: "/dev/mem"},
		{File: lockdown.LevelFile, Data: "confidentiality", Act: "/proc/kcore"},
	}}
	halfLevel = lockdown.Race{
		Writers: []lockdown.RaceWriter{{File: lockdown.LevelFile, Data: "confidentiality", Act: "/proc/kcore"}},
		Watch:   []string{"/dev/mem", "/proc/kcore"},
	}
	twoReasons = lockdown.Race{Writers: []lockdown.RaceWriter{
		{File: lockdown.ReasonsFile, Data: "dev_mem", Act: "/dev/mem"},
		{File: lockdown.ReasonsFile, Data: "kcore", Act: "/proc/kcore"},
	}}
	twoReasonsPosted = lockdown.Race{Writers: []lockdown.RaceWriter{
		{File: door, Data: "/dev/mem,kmem,port", Act: "/dev/mem"},
		{File: door, Data: "/proc/kcore access", Act: "/proc/kcore"},
	}}
)

// TestRacesForReal runs the races of the review in guests with two processors:
// mainline's and the posted lockdown lose locks, and ours do not. The kernels that
// lose some run until they have, and the others for as many rounds as LDLAB_RACES
// says. Only make nightly sets it, because these kernels are built for it alone.
func TestRacesForReal(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("LDLAB_RACES"))
	if err != nil {
		t.Skip("LDLAB_RACES is no number; make nightly sets it")
	}
	for _, tc := range []struct {
		kernel, series string
		races          []lockdown.Race
		broken         bool
	}{
		{"stock@6.12", "", []lockdown.Race{twoLevels}, true},
		{"posted", "", []lockdown.Race{twoReasonsPosted}, true},
		{"stock@6.12", "../../kernels/patches/race", []lockdown.Race{twoLevels, halfLevel}, false},
		{"bitmap", "", []lockdown.Race{twoLevels, halfLevel, twoReasons}, false},
		{"bitmap", "testdata/mutants/half-level.patch", []lockdown.Race{halfLevel}, true}, // with a wider window
	} {
		t.Run(tc.kernel+tc.series, func(t *testing.T) {
			sel := plan.Selection{Kernels: []string{tc.kernel}, Arches: []string{"arm64"}}
			if tc.series != "" {
				sel.Series = []string{tc.series}
			}
			f := newForks(t, mustPlan(t, sel))
			for _, race := range tc.races {
				f.race(t, race, rounds, tc.broken)
			}
		})
	}
}

// TestInstanceForReal has root make an instance of tracefs on one processor while the
// level is raised on the other one, and remove it. Mainline's kernel ends:
// docs/tracefs-instance.md is the report.
func TestInstanceForReal(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("LDLAB_RACES"))
	if err != nil {
		t.Skip("LDLAB_RACES is no number; make nightly sets it")
	}
	f := newForks(t, mustPlan(t, plan.Selection{Kernels: []string{"stock@6.12"}, Arches: []string{"arm64"}}))
	race := lockdown.Race{
		Writers: []lockdown.RaceWriter{{File: lockdown.LevelFile, Data: "confidentiality"}},
		Make:    "/sys/kernel/tracing/instances/ldlab",
		Rounds:  min(rounds, 1000), // each takes several ms
	}
	for n := 1; n*race.Rounds <= 10*rounds; n++ {
		start := time.Now()
		got, err := f.once(race)
		switch {
		case err != nil && strings.Contains(err.Error(), "eventfs_remove_events_dir"):
			t.Logf("guest %d ended after %.1f s: %v", n, time.Since(start).Seconds(), err)
			return
		case err != nil:
			t.Fatal(err)
		}
		t.Logf("guest %d: %d instances, of which %d were refused, in %s", n, got.Rounds, got.First, time.Duration(got.NS))
	}
	t.Error("no kernel ended")
}

// once runs a race in a guest of its own.
func (f *forks) once(race lockdown.Race) (got lockdown.RaceReport, err error) {
	err = f.guest(lockdown.Setting{}, func(port io.ReadWriter, req guestproto.Request) (err error) {
		req.Races = []lockdown.Race{race}
		got, err = exchangeRace(port, req)
		return err
	})
	if err == nil && got.Error != "" {
		err = fmt.Errorf("guest: %s", got.Error)
	}
	return got, err
}

// race runs a race until it has enough rounds, in one guest after the other.
func (f *forks) race(t *testing.T, race lockdown.Race, rounds int, broken bool) {
	t.Helper()
	race.Rounds = 20_000
	if race.Enough = 0; broken {
		race.Enough, rounds = 5, 10*rounds
	}
	var all lockdown.RaceReport
	for all.Rounds < rounds && (!broken || all.Broken < race.Enough) {
		got, err := f.once(race)
		if err != nil {
			t.Fatal(err)
		}
		all.Rounds, all.First, all.Broken, all.NS = all.Rounds+got.Rounds, all.First+got.First, all.Broken+got.Broken, all.NS+got.NS
		if all.Example == "" {
			all.Example = got.Example
		}
	}
	t.Logf("%q: %d of %d rounds broken in %s; in %d one writer was refused, or the watcher saw both sides. %s", race.Writers, all.Broken, all.Rounds,
		time.Duration(all.NS).Round(time.Millisecond), all.First, all.Example)
	if (all.Broken > 0) != broken {
		t.Errorf("%d rounds are broken", all.Broken)
	}
	// The rounds prove something only if both locked, or the watcher saw the lock come.
	if watched := len(race.Watch) > 0; watched && all.First == 0 || !watched && all.First == all.Rounds {
		t.Errorf("in %d of %d rounds a writer was refused, or the watcher saw both sides", all.First, all.Rounds)
	}
}

// exchangeRace runs a race in the guest.
func exchangeRace(port io.ReadWriter, req guestproto.Request) (got lockdown.RaceReport, err error) {
	if err := vport.Write(port, &req); err != nil {
		return got, err
	}
	reports := 0
	err = guestproto.ReadFrames(port, func(f guestproto.Frame) error {
		if f.State != nil && len(f.State.Errors) > 0 {
			return fmt.Errorf("guest: %s", f.State.Errors[0])
		}
		if f.Race != nil {
			got, reports = *f.Race, reports+1
		}
		return nil
	})
	if err == nil && reports != 1 {
		err = fmt.Errorf("guest ran %d races", reports)
	}
	return got, err
}
