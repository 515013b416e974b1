package matrix

import (
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

const openPort = "drivers/char/mem.c:open_port"

// ways is a caller of open_port, and what the table has of it.
func ways(name string, by []string, why string) (lockdown.Caller, Listed) {
	c := lockdown.Caller{Site: openPort, Name: name, Times: 1}
	return c, Listed{Caller: c, By: by, Why: why}
}

// runsOf is a run with nothing locked, and one with everything.
func runsOf(control, locked scenarios.Outcome) []Result {
	run := func(setting lockdown.Setting, act, variant scenarios.Outcome) Result {
		o := observed("devmem/open", act, "open_port+0x1/0x9", 1, 0)
		o.Variants = []scenarios.Variant{{Args: "O_SYNC", Report: scenarios.Report{Outcome: variant}}}
		return Result{Guest: Guest{Kernel: "k", Arch: "x86_64", Setting: setting}, Machines: []MachineRun{{Observations: []scenarios.Observation{o},
			States: []scenarios.State{{When: guestproto.WhenBoot, Checks: []scenarios.Check{{Site: "kexec+0x1/0x9", Comm: "kworker/u4:0", Checks: 1}, {Site: "xmon+0x1/0x9", Comm: "sh", Checks: 1}}}}}}}
	}
	return []Result{run(lockdown.Setting{}, scenarios.Allowed, control), run(lockdown.Setting{Level: lockdown.Confidentiality}, scenarios.Denied, locked)}
}

func TestCoverCallers(t *testing.T) {
	because := func(string) string { return "because" }
	found := func(target Target, runs []Result) (list []CoveredCaller, sound bool) {
		target.Kernel, target.Arch, target.Sites, target.WhyAbsent, target.WhyNotReached = "k", "x86_64", sitesOf(), because, func(call string) string {
			if call == "arch/x.c:xmon" {
				return "because"
			}
			return ""
		}
		c := Cover(target, runs)
		return c.Callers, c.Sound()
	}
	runs := runsOf(scenarios.Allowed, scenarios.Denied)
	for _, tc := range []struct {
		name  string
		by    []string
		why   string
		runs  []Result
		want  Evidence
		shown []string
		sound bool
	}{
		{"counted", []string{"devmem/read", "devmem/open"}, "", runs, Counted, []string{"devmem/open"}, true},
		{"compared", []string{"devmem/open: O_SYNC"}, "", runs, Compared, []string{"devmem/open: O_SYNC"}, true},
		{"counted is more than compared", []string{"devmem/open: O_SYNC", "devmem/open", "devmem/open: O_SYNC"}, "", runs, Counted, []string{"devmem/open"}, true},
		{"no such variant", []string{"devmem/open: O_TRUNC"}, "", runs, NotExercised, nil, false},
		{"a variant that opens after the lock", []string{"devmem/open: O_SYNC"}, "", runsOf(scenarios.Allowed, scenarios.Allowed), NotExercised, nil, false},
		{"a variant that never opens", []string{"devmem/open: O_SYNC"}, "", runsOf(scenarios.Failed, scenarios.Denied), NotExercised, nil, false},
		{"a probe that was not counted there", []string{"kexec/load"}, "", runs, NotExercised, nil, false},
		{"a reason", nil, "no such file", runs, NotExercised, nil, true},
		{"nothing", nil, "", runs, NotExercised, nil, false},
	} {
		c, l := ways("mem_fops:open_port", tc.by, tc.why)
		got, sound := found(Target{Callers: []lockdown.Caller{c}, Listed: []Listed{l}}, tc.runs)
		want := []CoveredCaller{{Caller: c, Evidence: tc.want, By: tc.shown, Why: tc.why}}
		if !reflect.DeepEqual(got, want) || sound != tc.sound {
			t.Errorf("%s: %+v, sound %v; want %+v, sound %v", tc.name, got, sound, want, tc.sound)
		}
	}
}

func TestCoverCallersLost(t *testing.T) {
	c, l := ways("mem_fops:open_port", []string{"devmem/open"}, "")
	gone, listed := ways("port_fops:open_port", nil, "no port")
	unknown, _ := ways("new_fops:open_port", nil, "")
	twice := l
	twice.Times = 2
	boot := lockdown.Caller{Site: "kernel/kexec.c:kexec_load_check", Name: lockdown.CallerBoot, Times: 1}
	far := lockdown.Caller{Site: "arch/x.c:xmon", Name: "sys_x", Times: 1}
	for _, tc := range []struct {
		name    string
		callers []lockdown.Caller
		listed  []Listed
		want    map[string]Evidence
		sound   bool
	}{
		{"gone", []lockdown.Caller{c}, []Listed{l, listed}, map[string]Evidence{c.Name: Counted, gone.Name: LostCaller}, false},
		{"held less often", []lockdown.Caller{c}, []Listed{twice}, map[string]Evidence{c.Name: LostCaller}, false},
		{"not listed", []lockdown.Caller{c, unknown}, []Listed{l}, map[string]Evidence{c.Name: Counted, unknown.Name: NotExercised}, false},
		{"boot, and a site that is not reached", []lockdown.Caller{boot, far}, []Listed{{Caller: boot}, {Caller: far}}, map[string]Evidence{boot.Name: AtBoot, far.Name: NotExercised}, true},
		{"not known at all", nil, []Listed{l}, map[string]Evidence{}, true},
	} {
		cover := Cover(Target{Kernel: "k", Arch: "x86_64", Sites: sitesOf(), Callers: tc.callers, Listed: tc.listed,
			WhyAbsent: func(string) string { return "because" }, WhyNotReached: func(call string) string {
				if call == "arch/x.c:xmon" {
					return "because"
				}
				return ""
			}}, runsOf(scenarios.Allowed, scenarios.Denied))
		got := map[string]Evidence{}
		for _, x := range cover.Callers {
			got[x.Name] = x.Evidence
		}
		if !reflect.DeepEqual(got, tc.want) || cover.Sound() != tc.sound {
			t.Errorf("%s: %v, sound %v; want %v", tc.name, got, cover.Sound(), tc.want)
		}
	}
}
