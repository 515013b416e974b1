package matrix

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

func TestBuildRefusesOtherGuests(t *testing.T) {
	g := Guest{Kernel: "bitmap", Arch: "x86_64", Interface: "bitmap"}
	h := Header{Format: Format, Plan: []Guest{g}, Probes: []string{"devmem/open"}}
	leftOut := func(name, want string, cells Verdict, results ...Result) {
		t.Helper()
		m, err := Build(h, results)
		if err != nil || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], want) || m.Sound() {
			t.Errorf("%s: %v, %+v, want one problem with %q", name, err, m, want)
			return
		}
		if got := m.Tables[0].Rows[0].Cells[0].Verdict; got != cells {
			t.Errorf("%s: %s, want %s", name, got, cells)
		}
	}
	denied := seen(g, scenarios.Denied)
	leftOut("the same guest twice", "has two results", Lost, Result{Guest: g}, Result{Guest: g})
	leftOut("a guest twice, and they differ", "with different outcomes; both are left out", NotRun, seen(g, scenarios.Allowed), denied)
	leftOut("a guest twice, and the lab failed first", "has two results", Overblocked, Result{Guest: g, End: End{Ending: FailedByLab}}, denied)
	leftOut("an unknown ending", `unknown ending "bogus"`, NotRun, Result{Guest: g, End: End{Ending: "bogus"}})
	other := g
	other.Kernel = "other"
	if _, err := Build(h, []Result{{Guest: other}}); err == nil {
		t.Error("only a guest outside the plan: no error")
	}
	leftOut("a guest outside the plan", "is not in the plan", Overblocked, denied, Result{Guest: other})
	h.Plan = []Guest{g, g}
	leftOut("a plan with a guest twice", "twice; it counts once", Overblocked, denied)
	if m, _ := Build(h, []Result{denied}); len(m.Tables[0].Columns) != 1 || m.Count()[Overblocked] != 1 {
		t.Errorf("a plan with a guest twice: %+v, want one column", m.Count())
	}
	h.Plan = []Guest{g}
	own := Origin{ImageSHA256: "1", GuestSHA256: "2"}
	h.Kernels = []Kernel{{Name: g.Kernel, Arch: g.Arch, Origin: own}}
	if _, err := Build(h, []Result{{Guest: g, Origin: own}}); err != nil {
		t.Errorf("the header's kernel: %v", err)
	}
	for _, o := range []Origin{{ImageSHA256: "3", GuestSHA256: "2"}, {ImageSHA256: "1", GuestSHA256: "3"}, {}} {
		leftOut("another kernel", "are not those of the header", NotRun, Result{Guest: g, Origin: o})
	}
}

// seen is a result of a guest with an outcome of /dev/mem for each time that it
// reported it.
func seen(g Guest, outcomes ...scenarios.Outcome) Result {
	r := Result{Guest: g, Machines: []MachineRun{{}}, Tries: 1}
	for _, o := range outcomes {
		r.Machines[0].Observations = append(r.Machines[0].Observations, scenarios.Observation{Probe: "devmem/open", Comm: "ldp-1", Log: []string{denialLine}, Report: scenarios.Report{Outcome: o, Call: "open"}})
	}
	return r
}

// TestTwiceInAGuest: whichever of two outcomes of a cell comes first, none hides the
// other, neither in the cell's guest nor in its control.
func TestTwiceInAGuest(t *testing.T) {
	g := Guest{Kernel: "stock", Arch: "x86_64", Interface: "bitmap"}
	locked := g
	locked.Setting = setting(t, "integrity@boot")
	h := Header{Plan: []Guest{g, locked}, Probes: []string{"devmem/open"}}
	const a, d = scenarios.Allowed, scenarios.Denied
	for _, tt := range []struct {
		control, locked []scenarios.Outcome
		want            Verdict
		why             string
	}{
		{[]scenarios.Outcome{a}, []scenarios.Outcome{d}, Enforced, ""},
		{[]scenarios.Outcome{a}, []scenarios.Outcome{d, a}, Unproven, "reported the probe 2 times: denied, allowed"},
		{[]scenarios.Outcome{a}, []scenarios.Outcome{a, d}, Unproven, "reported the probe 2 times: allowed, denied"},
		{[]scenarios.Outcome{a, d}, []scenarios.Outcome{d}, Unproven, "with nothing locked reported the probe 2 times"},
		{[]scenarios.Outcome{a}, []scenarios.Outcome{"maybe"}, Unproven, `has the unknown outcome "maybe"`},
	} {
		m, err := Build(h, []Result{seen(g, tt.control...), seen(locked, tt.locked...)})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Tables[0].Rows[0].Cells[1]; got.Verdict != tt.want || tt.why != "" && !strings.Contains(got.Why, tt.why) {
			t.Errorf("%q, %q: %s: %s", tt.control, tt.locked, got.Verdict, got.Why)
		}
	}
}

// everything is a run of every probe with the same answer in all guests.
func everything(t *testing.T, answer func(row scenarios.Row, o *scenarios.Observation), config Config) *Matrix {
	t.Helper()
	h := Header{Format: Format}
	for _, row := range scenarios.Rows() {
		h.Probes = append(h.Probes, row.ID)
	}
	origin := Origin{Base: "b", BaseVersion: "6.12", BaseSHA256: "0", ImageSHA256: "1"}
	var results []Result
	for _, arch := range []string{"x86_64", "arm64"} {
		h.Kernels = append(h.Kernels, Kernel{Name: "bitmap", Arch: arch, Origin: origin, Config: config})
		for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime"} {
			g := Guest{Kernel: "bitmap", Arch: arch, Interface: lockdown.Bitmap, Setting: setting(t, text)}
			h.Plan = append(h.Plan, g)
			r := Result{Guest: g, Origin: origin, Machines: []MachineRun{{}}}
			for _, row := range scenarios.Rows() {
				o := scenarios.Observation{Probe: row.ID, Comm: "ldp-1", Report: scenarios.Report{Outcome: scenarios.Unavailable, Call: row.Call}}
				answer(row, &o)
				r.Machines[0].Observations = append(r.Machines[0].Observations, o)
			}
			results = append(results, r)
		}
	}
	m, err := Build(h, results)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestNothingMeasuredIsNotAsExpected runs every probe in guests without any
// target, for reasons that the lab can check and for others.
func TestNothingMeasuredIsNotAsExpected(t *testing.T) {
	off, on := Config{}, Config{}
	for _, row := range scenarios.Rows() {
		for _, symbol := range row.Symbols() {
			off[symbol], on[symbol] = "n", "y"
		}
	}
	symbol := func(row scenarios.Row, o *scenarios.Observation) {
		if len(row.Needs) > 0 {
			o.Why = row.Needs[0]
		}
	}
	because := func(why string) func(scenarios.Row, *scenarios.Observation) {
		return func(_ scenarios.Row, o *scenarios.Observation) { o.Why = why }
	}
	for _, tc := range []struct {
		name   string
		answer func(scenarios.Row, *scenarios.Observation)
		config Config
		most   Verdict // of nearly all cells
	}{
		{"every symbol is off", symbol, off, Unavailable},
		{"every symbol is on", symbol, on, Unproven},
		{"no configuration", symbol, nil, Unproven},
		{"no payload", because("the guest carries no such module"), on, Unproven},
		{"no device", because("the machine has no pci-testdev"), on, Unproven},
		{"no reason", because(""), on, Unproven},
	} {
		m := everything(t, tc.answer, tc.config)
		n, all := m.Count(), 0
		for _, c := range n {
			all += c
		}
		if m.AsExpected() || m.Measured() || n[tc.most] < all*8/10 {
			t.Errorf("%s: as expected %v, measured %v, %v", tc.name, m.AsExpected(), m.Measured(), n)
		}
	}
	if (&Matrix{}).AsExpected() {
		t.Error("a run without cells is as expected")
	}
}

// TestExpectedAbsencesAreOfProbes: each listed absence names an existing probe.
func TestExpectedAbsencesAreOfProbes(t *testing.T) {
	for _, a := range expectedAbsences {
		if row, ok := scenarios.Find(a.probe); !ok || !row.On(a.arch) || strings.HasPrefix(a.why, "CONFIG_") {
			t.Errorf("%+v: no such probe, or its configuration shows it", a)
		}
	}
}

func TestReadyImages(t *testing.T) {
	if (Origin{}).ready() || (Origin{Base: "apt:linux", BaseVersion: "6.12", BaseSHA256: "1", ImageSHA256: "2"}).ready() || !(Origin{Base: "/boot/vmlinuz", ImageSHA256: "2"}).ready() {
		t.Error("a ready image and a kernel that was built are not distinguished")
	}
}

func TestClosedGaps(t *testing.T) {
	m := &Matrix{Tables: []Table{{Kernel: "k", Arch: "arm64", Rows: []TableRow{
		{Probe: "a/b", Cells: []Cell{{Judgment: Judgment{Verdict: OpenGap}}, {Judgment: Judgment{Verdict: GapClosed}}, {Judgment: Judgment{Verdict: GapClosed}}}},
		{Probe: "a/c", Cells: []Cell{{Judgment: Judgment{Verdict: OpenGap}}}},
	}}}}
	if got := m.ClosedGaps(); !m.AsExpected() || len(got) != 1 || got[0] != "k arm64: a/b" {
		t.Errorf("closed gaps: %q, as expected: %v", got, m.AsExpected())
	}
}

// TestRealAbsences has the absences of the lab's kernels in a default run: they
// are expected with these configurations, and unproven if the configuration has
// the symbol on.
func TestRealAbsences(t *testing.T) {
	ours := map[string]string{
		"bpf/rdonly-cast": "CONFIG_DEBUG_INFO_BTF", "kprobes/fprobe": "CONFIG_FPROBE_EVENTS",
		"tracefs/filter-functions": "CONFIG_DYNAMIC_FTRACE", "tracefs/filter-addresses": "CONFIG_DYNAMIC_FTRACE",
		"tracefs/graph-function": "CONFIG_FUNCTION_GRAPH_TRACER", "tracefs/function-profile": "CONFIG_FUNCTION_PROFILER", "tracefs/stack-trace": "CONFIG_STACK_TRACER",
	}
	config := func(value string) Config {
		c := Config{}
		for _, row := range scenarios.Rows() {
			for _, symbol := range row.Symbols() {
				c[symbol] = "y"
			}
		}
		for _, symbol := range ours {
			c[symbol] = value
		}
		return c
	}
	judged := func(arch, probe, why, value string) Judgment {
		g := Guest{Kernel: "bitmap", Arch: arch, Interface: lockdown.Bitmap, Setting: setting(t, "none")}
		o := absentFor(why)
		o.Probe = probe
		r := &Result{Guest: g, Machines: []MachineRun{{Observations: []scenarios.Observation{*o}}}}
		return JudgeProbe(probe, g, r, r, Kernel{Config: config(value)}).Judgment
	}
	for probe, why := range ours {
		for _, arch := range []string{"x86_64", "arm64"} {
			if j := judged(arch, probe, why, "n"); j.Verdict != Unavailable || j.Why != why {
				t.Errorf("%s %s: %+v, want unavailable", arch, probe, j)
			}
			if j := judged(arch, probe, why, "y"); j.Verdict != Unproven {
				t.Errorf("%s %s with %s on: %+v, want unproven", arch, probe, why, j)
			}
		}
	}
	for _, a := range expectedAbsences {
		if j := judged(a.arch, a.probe, a.why, "n"); j.Verdict != Unavailable {
			t.Errorf("%s %s: %+v, want unavailable", a.arch, a.probe, j)
		}
	}
}

// TestControls: a control is of the same host and of a guest that the lab did
// not fail. A ready image's stated absences are accepted.
func TestControls(t *testing.T) {
	const probe, symbol = "devmem/open", "CONFIG_DEVMEM"
	run := func(o *scenarios.Observation, host Host, end End) *Result {
		own := *o
		own.Probe = probe
		return &Result{Host: host, End: end, Machines: []MachineRun{{Observations: []scenarios.Observation{own}}}}
	}
	tcg, kvm := Host{Accel: "tcg", Why: "no KVM"}, Host{Accel: "kvm"}
	again := Host{Accel: "tcg", Why: "chosen"}
	failed, lost := End{Ending: FailedByLab}, End{Ending: LostByGuest}
	allowed, absent := saw(scenarios.Allowed), absentFor(symbol)
	ready := Kernel{Origin: Origin{Base: "vmlinuz", ImageSHA256: "1"}}
	for _, tc := range []struct {
		name       string
		r, control *Result
		kernel     Kernel
		want       Verdict
	}{
		{"same host", run(allowed, tcg, End{}), run(allowed, tcg, End{}), Kernel{}, Open},
		{"same host, chosen for another reason", run(allowed, tcg, End{}), run(allowed, again, End{}), Kernel{}, Open},
		{"another host", run(allowed, tcg, End{}), run(allowed, kvm, End{}), Kernel{}, Unproven},
		{"the lab failed the control", run(allowed, tcg, End{}), run(allowed, tcg, failed), Kernel{}, Unproven},
		{"the control was lost after the probe", run(allowed, tcg, End{}), run(allowed, tcg, lost), Kernel{}, Open},
		{"no control", run(allowed, tcg, End{}), nil, Kernel{}, Unproven},
		{"not run", nil, run(allowed, tcg, End{}), Kernel{}, NotRun},
		{"absent from a ready image", run(absent, tcg, End{}), run(absent, tcg, End{}), ready, Unavailable},
		{"absent from a kernel that was built", run(absent, tcg, End{}), run(absent, tcg, End{}), Kernel{}, Unproven},
	} {
		g := Guest{Kernel: "k", Arch: "x86_64", Setting: setting(t, "none")}
		if c := JudgeProbe(probe, g, tc.r, tc.control, tc.kernel); c.Verdict != tc.want || (tc.r != nil) != (c.Observed != nil) {
			t.Errorf("%s: %+v, want %s", tc.name, c.Judgment, tc.want)
		}
	}
	if c := JudgeProbe("no/such", Guest{Arch: "x86_64"}, nil, nil, Kernel{}); c.Verdict != Unproven {
		t.Errorf("a probe that this lab does not have: %+v", c.Judgment)
	}
}

// TestControlIsOfTheSameKernelAndHost takes the control from another host or
// kernel: it proves nothing for the other cells.
func TestControlIsOfTheSameKernelAndHost(t *testing.T) {
	host := Host{Arch: "x86_64", Accel: "tcg", QEMU: "QEMU 7.2", CPU: "max"}
	origin := Origin{ImageSHA256: "1", GuestSHA256: "2"}
	row, _ := scenarios.Find("devmem/open")
	info, _ := lockdown.Info(row.Reason)
	allowed := scenarios.Observation{Probe: row.ID, Comm: "ldp-1", Report: scenarios.Report{Outcome: scenarios.Allowed}}
	denied := scenarios.Observation{Probe: row.ID, Comm: "ldp-1", Report: scenarios.Report{Outcome: scenarios.Denied},
		Log: []string{"Lockdown: ldp-1: " + info.Label + " is restricted; see man kernel_lockdown.7"}}
	for name, tt := range map[string]struct {
		change func(control *Result)
		want   Verdict
	}{
		"same":          {func(*Result) {}, Enforced},
		"another why":   {func(c *Result) { c.Host.Why = "chosen by --accel" }, Enforced},
		"accelerator":   {func(c *Result) { c.Host.Accel = "kvm" }, Unproven},
		"QEMU":          {func(c *Result) { c.Host.QEMU = "QEMU 10.0" }, Unproven},
		"CPU model":     {func(c *Result) { c.Host.CPU = "host" }, Unproven},
		"kernel":        {func(c *Result) { c.Origin.ImageSHA256 = "3" }, Unproven},
		"guest program": {func(c *Result) { c.Origin.GuestSHA256 = "3" }, Unproven},
	} {
		g := Guest{Kernel: "bitmap", Arch: "x86_64", Interface: lockdown.Bitmap, Setting: setting(t, "integrity@runtime")}
		r := Result{Guest: g, Host: host, Origin: origin, Machines: []MachineRun{{Observations: []scenarios.Observation{denied}}}}
		control := Result{Guest: Guest{Kernel: "bitmap", Arch: "x86_64"}, Host: host, Origin: origin, Machines: []MachineRun{{Observations: []scenarios.Observation{allowed}}}}
		tt.change(&control)
		if c := JudgeProbe(row.ID, g, &r, &control, Kernel{}); c.Verdict != tt.want {
			t.Errorf("%s: %s (%s), want %s", name, c.Verdict, c.Why, tt.want)
		}
	}
}
