package matrix

import (
	"reflect"
	"slices"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// sitesOf is a kernel with three calls; a fourth is in its source only.
func sitesOf() lockdown.Sites {
	return lockdown.Sites{
		Present: []lockdown.Site{
			{Name: "open_port+0x1/0x9", File: "drivers/char/mem.c", Function: "open_port", Line: 612, Reason: "dev_mem"},
			{Name: "kexec+0x1/0x9", File: "kernel/kexec.c", Function: "kexec_load_check", Line: 222, Reason: "kexec"},
			{Name: "xmon+0x1/0x9", File: "arch/x.c", Function: "xmon", Line: 3, Reason: "xmon_wr"},
		},
		Source: []lockdown.SourceSite{
			{File: "drivers/char/mem.c", Function: "open_port", Line: 612, Reason: "dev_mem"},
			{File: "drivers/cxl/core/mbox.c", Function: "cxl", Line: 293, Reason: "pci_access"},
		},
	}
}

func observed(probe string, outcome scenarios.Outcome, site string, checks, denials int) scenarios.Observation {
	o := scenarios.Observation{Probe: probe, Comm: "ldp-1", Report: scenarios.Report{Outcome: outcome}}
	if site != "" {
		o.Checks = []scenarios.Check{{Site: site, Comm: "ldp-1", Checks: checks, Denials: denials}}
	}
	return o
}

func TestCover(t *testing.T) {
	guest := Guest{Kernel: "bitmap", Arch: "x86_64"}
	results := []Result{
		{Guest: guest, Machines: []MachineRun{{Observations: []scenarios.Observation{
			observed("devmem/open", scenarios.Allowed, "open_port+0x1/0x9", 1, 0),
			observed("kexec/load", scenarios.Allowed, "kexec+0x1/0x9", 1, 0),
			observed("msr/write", scenarios.Allowed, "", 0, 0), // its site was never reached
		}}}},
		{Guest: guest, Machines: []MachineRun{{Observations: []scenarios.Observation{observed("devmem/open", scenarios.Denied, "open_port+0x1/0x9", 2, 2)}}}},
		{Guest: Guest{Kernel: "bitmap", Arch: "arm64"}, Machines: []MachineRun{{Observations: []scenarios.Observation{observed("devmem/open", scenarios.Denied, "xmon+0x1/0x9", 1, 1)}}}},
		{Guest: guest, Machines: []MachineRun{{States: []scenarios.State{{When: guestproto.WhenBoot, Checks: []scenarios.Check{
			{Site: "kexec+0x1/0x9", Comm: "swapper/0", Checks: 5}, {Site: "who+0x1/0x2", Comm: "swapper", Checks: 1}}}}}}},
	}
	why := func(call string) string { return "because of " + call }
	far := func(call string) string {
		if call == "kernel/kexec.c:kexec_load_check" || call == "arch/x.c:xmon" {
			return "because of " + call
		}
		return ""
	}
	c := Cover(Target{Kernel: "bitmap", Arch: "x86_64", Version: "6.12.117", Sites: sitesOf(), WhyAbsent: why, WhyNotReached: far}, results)
	present, refused, open := c.Count()
	if present != 3 || refused != 1 || open != 1 {
		t.Errorf("%d present, %d refused, %d open", present, refused, open)
	}
	if s := c.Sites[1]; s.Reach != SiteDenied || s.Checks != 3 || s.Denials != 2 || !reflect.DeepEqual(s.Probes, []string{"devmem/open"}) {
		t.Errorf("open_port: %+v", s)
	}
	if s := c.Sites[2]; s.Reach != AllowedOnly || !s.Boot || s.Checks != 6 {
		t.Errorf("kexec: %+v", s)
	}
	if s := c.Sites[0]; s.Reach != NotReached || s.Why != "because of arch/x.c:xmon" {
		t.Errorf("xmon: %+v", s)
	}
	if len(c.Absent) != 1 || c.Absent[0].Why != "because of drivers/cxl/core/mbox.c:cxl" {
		t.Errorf("absent: %+v", c.Absent)
	}
	if !reflect.DeepEqual(c.OutdatedExclusions, []string{"kernel/kexec.c:kexec_load_check"}) {
		t.Errorf("outdated exclusions: %q", c.OutdatedExclusions)
	}
	if !reflect.DeepEqual(c.WrongSite, []string{"msr/write"}) || !reflect.DeepEqual(c.UnknownSites, []string{"who+0x1/0x2"}) {
		t.Errorf("wrong site %q, unknown %q", c.WrongSite, c.UnknownSites)
	}
	if c.Sound() {
		t.Error("sound, with a wrong and an unknown site")
	}
}

func TestCoverageIsSoundOnlyWithReasons(t *testing.T) {
	all := []Result{{Guest: Guest{Kernel: "k", Arch: "x86_64"}, Machines: []MachineRun{{Observations: []scenarios.Observation{observed("devmem/open", scenarios.Denied, "open_port+0x1/0x9", 1, 1)}}}}}
	because := func(call string) string {
		if call == "drivers/char/mem.c:open_port" { // reached
			return ""
		}
		return "because"
	}
	none := func(string) string { return "" }
	for _, tc := range []struct {
		name            string
		why, notReached func(string) string
		want            bool
	}{{"every reason is known", because, because, true}, {"absent, no reason", none, because, false}, {"notReached, no reason", because, none, false}} {
		if c := Cover(Target{Kernel: "k", Arch: "x86_64", Sites: sitesOf(), WhyAbsent: tc.why, WhyNotReached: tc.notReached}, all); c.Sound() != tc.want {
			t.Errorf("%s: sound %v", tc.name, c.Sound())
		}
	}
	if (Coverage{}).Sound() {
		t.Error("a kernel without call sites is sound")
	}
}

func TestMutationIsSound(t *testing.T) {
	of := func(all ...Status) (m Mutation) {
		for _, f := range all {
			m.Mutants = append(m.Mutants, Mutant{Status: f})
		}
		return m
	}
	alarmed := of(Killed)
	alarmed.Alarms = []string{"false"}
	for _, tc := range []struct {
		name string
		m    Mutation
		want bool
	}{
		{"killed", of(Killed, NotCovered), true}, {"survived", of(Killed, Survived), false}, {"lost", of(Killed, MutantError), false},
		{"nothing killed", of(NotCovered), false}, {"false alarm", alarmed, false}, {"none", of(), false},
	} {
		if tc.m.Sound() != tc.want {
			t.Errorf("%s: sound %v", tc.name, tc.m.Sound())
		}
	}
}

func TestDetectionOf(t *testing.T) {
	cell := func(v Verdict, rule string, o scenarios.Outcome) Cell {
		return Cell{Judgment: Judgment{Verdict: v, Rule: rule}, Observed: &scenarios.Observation{Report: scenarios.Report{Outcome: o}}}
	}
	for _, tc := range []struct {
		cell Cell
		want Detection
	}{
		{cell(Enforced, "", scenarios.Denied), ""},
		{cell(Leak, ruleLeakAtSite, scenarios.Allowed), DetectedByEffect},
		{cell(Leak, ruleLeakAtSite, scenarios.Denied), DetectedByCounters},
		{cell(Leak, "leak-by-variant", scenarios.Denied), DetectedByEffect},
		{cell(Overblocked, "", scenarios.Denied), DetectedByEffect},
		{cell(Overblocked, "", scenarios.Allowed), DetectedByCounters},
		{cell(Unattributed, "", scenarios.Denied), DetectedByCounters},
		{cell(Unproven, "", scenarios.Failed), DetectedByDoubt},
		{Cell{Judgment: Judgment{Verdict: Lost}}, ""},
	} {
		if got := DetectionOf(tc.cell); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.cell.Judgment, got, tc.want)
		}
	}
}

// TestMutantJudge has three probes of one mutant: the strongest evidence names
// it, and a mutant of which every cell is as expected survived.
func TestMutantJudge(t *testing.T) {
	expected, counted, leak := Cell{Judgment: Judgment{Verdict: Enforced}}, Cell{Judgment: Judgment{Verdict: Unattributed, Why: "counted"}}, Cell{Judgment: Judgment{Verdict: Leak, Why: "done"}}
	leak.Observed = &scenarios.Observation{Report: scenarios.Report{Outcome: scenarios.Allowed}}
	var m Mutant
	if m.Judge([]string{"a", "b", "c"}, []Cell{counted, expected, leak}); m.Status != Killed || m.DetectedBy != DetectedByEffect || !slices.Equal(m.By, []string{"c"}) || m.Why != "done" {
		t.Errorf("%+v", m)
	}
	if m.Judge([]string{"a", "b"}, []Cell{expected, expected}); m.Status != Survived || len(m.By) > 0 || m.DetectedBy != "" || m.Why != "a: enforced, b: enforced" {
		t.Errorf("%+v", m)
	}
}

func TestMutantCommand(t *testing.T) {
	for want, m := range map[string]Mutant{
		"omit f+0x1/0x2":                  {Kind: Omit, Site: "f+0x1/0x2"},
		"as=/dev/mem,kmem,port f+0x1/0x2": {Kind: AsSame, Site: "f+0x1/0x2", Reason: "dev_mem"},
		"as=/proc/kcore_access f+0x1/0x2": {Kind: AsOther, Site: "f+0x1/0x2", Reason: "kcore"},
		"lost=unsigned_module_loading":    {Kind: NeverLocked, Reason: "module_signature"},
		"stuck=kexec_of_unsigned_images":  {Kind: AlwaysLocked, Reason: "kexec"},
	} {
		if got := m.Command(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Of one call in the source, -O2 makes several call sites: one that is exercised is
// enough, and counts of all of them are the call's.
func TestCopiesAreOneCall(t *testing.T) {
	call := func(name string, line int) lockdown.Site {
		return lockdown.Site{Name: name, File: "drivers/char/mem.c", Function: "open_port", Line: line, Reason: "dev_mem"}
	}
	sites := lockdown.Sites{Present: []lockdown.Site{call("a+0x1/0x9", 7), call("b+0x1/0x9", 7), call("c+0x1/0x9", 8), {Name: "d+0x1/0x9"}, {Name: "e+0x1/0x9"}}}
	results := []Result{{Guest: Guest{Kernel: "k", Arch: "x86_64"}, Machines: []MachineRun{{Observations: []scenarios.Observation{observed("devmem/open", scenarios.Denied, "b+0x1/0x9", 2, 1)}}}}}
	none := func(string) string { return "" }
	c := Cover(Target{Kernel: "k", Arch: "x86_64", Sites: sites, WhyAbsent: none, WhyNotReached: none}, results)
	if present, refused, open := c.Count(); present != 4 || refused != 1 || open != 0 {
		t.Errorf("%d present, %d refused, %d open", present, refused, open)
	}
	for _, s := range c.Sites {
		switch want := map[bool]Reach{true: SiteDenied, false: NotReached}[s.Name == "a+0x1/0x9"]; {
		case s.Reach != want:
			t.Errorf("%s: %s", s.Name, s.Reach)
		case want == SiteDenied && (s.Checks != 2 || !reflect.DeepEqual(s.Copies, []string{"b+0x1/0x9"})):
			t.Errorf("%+v", s)
		}
	}
	if len(c.UnknownSites) > 0 || c.Sound() {
		t.Errorf("unknown %q, sound %v", c.UnknownSites, c.Sound())
	}
}
