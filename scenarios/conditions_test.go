package scenarios

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

func TestConditionsOfAKernel(t *testing.T) {
	row := Row{Probe: Probe{Where: Where{Site: "a.c:a", Conditions: []Condition{
		{Until: "6.1", Then: ThenDeniedLater},
		{Since: "6.18", Config: "CONFIG_A=n", Then: ThenGap, Class: Bug, Source: "s"},
		{Config: "CONFIG_B=m", Then: ThenAbsent, Source: "b"},
	}}}}
	config := func(a, b string) map[string]string { return map[string]string{"CONFIG_A": a, "CONFIG_B": b} }
	for _, tc := range []struct {
		kernel    Kernel
		expect    Expectation
		later     bool
		absent    string
		undecided string
	}{
		{Kernel{Version: "6.0.9", Config: nil}, Checked, true, "", ""},
		{Kernel{Version: "6.12", Config: config("n", "y")}, Checked, false, "", ""},
		{Kernel{Version: "6.12", Config: config("n", "m")}, Checked, false, "b", ""},
		{Kernel{Version: "6.19.3", Config: config("n", "m")}, Gap, false, "", ""},
		{Kernel{Version: "6.19.3", Config: config("y", "n")}, Checked, false, "", ""},
		{Kernel{Version: "6.19.3", Config: nil}, Checked, false, "", "CONFIG_A=n"},
		{Kernel{Version: "6.19.3", Config: map[string]string{"CONFIG_B": "m"}}, Checked, false, "b", ""},
		{Kernel{Version: "6.12", Config: nil}, Checked, false, "", "CONFIG_B=m"},
		{Kernel{Version: "", Config: config("n", "m")}, Checked, false, "b", ""}, // a range needs a version
	} {
		got := row.Of(tc.kernel)
		undecided := ""
		if got.Undecided != nil {
			undecided = got.Undecided.Config
		}
		if got.Expect != tc.expect || got.DeniedLater != tc.later || got.Absent != tc.absent || undecided != tc.undecided {
			t.Errorf("%+v: %s, later %v, absent %q, undecided %q", tc.kernel, got.Expect, got.DeniedLater, got.Absent, undecided)
		}
	}
}

// TestLateHook: without LSM_EARLY what is checked before security_init is a gap at
// boot, and what is checked later is not.
func TestLateHook(t *testing.T) {
	late := Kernel{Version: "6.12", Config: map[string]string{"CONFIG_SECURITY_LOCKDOWN_LSM_EARLY": "n"}}
	early := Kernel{Version: "6.12", Config: map[string]string{"CONFIG_SECURITY_LOCKDOWN_LSM_EARLY": "y"}}
	s, err := lockdown.ParseSetting("confidentiality@boot")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]ExpectedOutcome{
		"modparam/boot": ExpectGap, "acpi/efivar-ssdt": ExpectGap, "tracefs/tracepoints": ExpectGap, "tracefs/perf-tracepoint": ExpectGap,
		"modparam/sysfs": ExpectDenied, "tracefs/files": ExpectDenied, "tracefs/readme": ExpectDenied,
	} {
		row, ok := Find(id)
		if !ok {
			t.Errorf("%s: no such probe", id)
			continue
		}
		if got := row.Of(late).Expected(s); got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
		if got := row.Of(early).Expected(s); got != ExpectDenied {
			t.Errorf("%s with an early hook: %v", id, got)
		}
	}
}

// TestGapsOfOldKernels: what a version is known to refuse is no gap there.
func TestGapsOfOldKernels(t *testing.T) {
	row, _ := Find("acpi/initrd")
	s, _ := lockdown.ParseSetting("integrity@boot")
	for version, want := range map[string]ExpectedOutcome{"6.1.192": ExpectDenied, "6.11.9": ExpectDenied, "6.12.0": ExpectGap, "7.3.4": ExpectGap} {
		if got := row.Of(Kernel{Version: version}).Expected(s); got != want {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
}

// TestConditionsAreComplete is the property test of conditions and gaps.
func TestConditionsAreComplete(t *testing.T) {
	classes := []GapClass{ByDesign, Documented, Disputed, Bug}
	for _, r := range Rows() {
		if (r.Expect == Gap) != slices.Contains(classes, r.Class) {
			t.Errorf("%s: %s probe of class %q: each gap, and nothing else, has one of %q", r.ID, r.Expect, r.Class, classes)
		}
		if r.Expect != Gap && r.Since+r.Until+r.ClosedBy != "" {
			t.Errorf("%s: only a gap has Since, Until and ClosedBy", r.ID)
		}
		for _, c := range append(slices.Clone(r.Conditions), Condition{Since: r.Since, Until: r.Until, Then: ThenDenied, Source: "-", Config: "CONFIG_A=n"}) {
			since, okSince := parseVersion(c.Since)
			_, okUntil := parseVersion(c.Until)
			_, value, _ := strings.Cut(c.Config, "=")
			if c.Since != "" && !okSince || c.Until != "" && !okUntil || okSince && okUntil && !inRange(since, c.Since, c.Until) ||
				c.Since+c.Until+c.Config == "" || c.Config != "" && (value == "" || !strings.HasPrefix(c.Config, "CONFIG_")) {
				t.Errorf("%s: %+v: no kernel, or every one, meets it", r.ID, c)
			}
			if c.Then < ThenDenied || c.Then > ThenDeniedLater || c.Source == "" || (c.Then == ThenGap) != slices.Contains(classes, c.Class) {
				t.Errorf("%s: %+v is not complete", r.ID, c)
			}
		}
	}
}

func TestUnmet(t *testing.T) {
	k := Kernel{Config: map[string]string{"CONFIG_Y": "y", "CONFIG_N": "n", "CONFIG_M": "m"}}
	for need, want := range map[string]string{
		"CONFIG_Y": "", "CONFIG_N": "CONFIG_N is off", "CONFIG_M": "CONFIG_M is a module that the guest does not have", "CONFIG_U": "",
		"CONFIG_Y=n": "CONFIG_Y is on", "CONFIG_N=n": "", "CONFIG_U=n": "",
	} {
		if got := k.Unmet(need); got != want {
			t.Errorf("%s: %q, want %q", need, got, want)
		}
	}
}
