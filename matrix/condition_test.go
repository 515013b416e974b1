package matrix

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/scenarios"
)

// conditionCases are about rows that hold otherwise on some kernels, and about
// denials with another face.
func conditionCases(t *testing.T) (cases []judgeCase) {
	const symbol = "CONFIG_EARLY"
	gapIfOff := []scenarios.Condition{{Config: symbol + "=n", Then: scenarios.ThenGap, Source: "Kconfig"}}
	checked := scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem"}}
	late, later := checked, checked
	late.Conditions = gapIfOff
	later.Conditions = []scenarios.Condition{{Until: "6.12", Then: scenarios.ThenDeniedLater}}
	gap := scenarios.Probe{Claim: scenarios.Claim{Reason: "dev_mem", Expect: scenarios.Gap, Source: "v6.12"}, Where: scenarios.Where{Since: "6.12"}}
	allowed, named := saw(scenarios.Allowed), saw(scenarios.Denied, denialLine)
	allowedNamed := saw(scenarios.Allowed, denialLine)
	face := func(log ...string) *scenarios.Observation {
		o := saw(scenarios.Denied, log...)
		o.Errno, o.Face = "EACCES", "EACCES"
		return o
	}
	old, now := scenarios.Kernel{Version: "6.1.192"}, scenarios.Kernel{Version: "6.12.117"}
	with := func(value string) scenarios.Kernel {
		return scenarios.Kernel{Version: now.Version, Config: map[string]string{symbol: value}}
	}
	for _, tc := range []struct {
		name    string
		probe   scenarios.Probe
		kernel  scenarios.Kernel
		setting string
		saw     *scenarios.Observation
		want    Verdict
	}{
		{"allowed, the symbol is off", late, with("n"), "integrity", allowed, OpenGap},
		{"allowed, the symbol is on", late, with("y"), "integrity", allowed, Leak},
		{"allowed, the configuration is not known", late, now, "integrity", allowed, Unproven},
		{"denied, the configuration is not known", late, now, "integrity", named, Enforced},
		{"denied, the symbol is off", late, with("n"), "integrity", named, GapClosed},
		{"allowed, nothing locked, the configuration is not known", late, now, "kcore@runtime", allowed, Open},

		{"refused later, named", later, old, "integrity", looked(allowedNamed, scenarios.Happened), Enforced},
		{"refused later, called denied, named", later, old, "integrity", looked(named, scenarios.Happened), Enforced},
		{"refused later, not named", later, old, "integrity", allowed, Leak},
		{"refused later in a version that refuses first", later, now, "integrity", allowedNamed, Leak},

		{"a gap that the version has", gap, now, "integrity", allowed, OpenGap},
		{"a gap that the version does not have", gap, old, "integrity", allowed, Leak},
		{"a gap that the version does not have, denied", gap, old, "integrity", named, Enforced},
		{"a gap of a version that is not known", gap, scenarios.Kernel{}, "integrity", allowed, OpenGap},

		{"another face, named", checked, now, "integrity", face(denialLine), Enforced},
		{"another face, not named", checked, now, "integrity", face(), Unproven},
		{"another face, not locked", checked, now, "kcore@runtime", face(), Unproven},
		{"another face, not locked, named", checked, now, "kcore@runtime", face(denialLine), Overblocked},
	} {
		row := scenarios.Row{ID: "p", Probe: tc.probe}.Of(tc.kernel)
		guest := Guest{Arch: "x86_64", Setting: setting(t, tc.setting)}
		cases = append(cases, judgeCase{tc.name, evidence{row: row, guest: guest, config: tc.kernel.Config, control: allowed, observed: tc.saw}, tc.want})
	}
	return cases
}

// TestConfigOfEarlierFormats: format 3 did not tell y from m.
func TestConfigOfEarlierFormats(t *testing.T) {
	for text, want := range map[string]Config{
		`{"CONFIG_A":true,"CONFIG_B":false}`:    {"CONFIG_A": "y", "CONFIG_B": "n"},
		`{"CONFIG_A":"m","CONFIG_C":"0x1"}`:     {"CONFIG_A": "m", "CONFIG_C": "0x1"},
		`null`:                                  nil,
		`{"CONFIG_A":1}`:                        nil,
		`{"CONFIG_A":"y","CONFIG_B":["a","b"]}`: nil,
	} {
		var got Config
		if err := json.Unmarshal([]byte(text), &got); (err == nil) != (want != nil || text == "null") {
			t.Errorf("%s: %v", text, err)
		}
		if want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestVersionOfImages: a ready image has the version that its guest reports.
func TestVersionOfImages(t *testing.T) {
	r := &Result{Machines: []MachineRun{{}, {States: []scenarios.State{{When: guestproto.WhenBoot, Release: "6.1.0-28-amd64"}}}}}
	for _, tc := range []struct {
		base string
		r    *Result
		want string
	}{{"6.12.117", r, "6.12.117"}, {"", r, "6.1.0-28-amd64"}, {"", &Result{}, ""}, {"", nil, ""}} {
		if got := (Kernel{Origin: Origin{BaseVersion: tc.base}}).version(tc.r); got != tc.want {
			t.Errorf("base %q: %q, want %q", tc.base, got, tc.want)
		}
	}
}
