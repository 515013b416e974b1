package scenarios

import (
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// TestShadowHidesAtBoot wants the evidence of the boot if the shadowing reason hid
// the object then, and the probe's own if only its own reason is locked.
func TestShadowHidesAtBoot(t *testing.T) {
	p := Probe{Claim: Claim{Reason: "kprobes", ShadowedBy: []Shadow{{Reason: "tracefs", AbsentIfLockedAtBoot: true}, {Reason: "debugfs"}}}}
	for text, want := range map[string]bool{
		"kprobes@boot": false, "tracefs@boot": true, "debugfs@boot": false,
		"confidentiality@boot": true, "confidentiality@runtime": false,
	} {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.DeniedAtBoot(s); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// TestGapClosedAtBoot wants a gap closed at boot if it needs something that a kernel
// locked at boot does not have.
func TestGapClosedAtBoot(t *testing.T) {
	for _, c := range []struct {
		hides bool
		text  string
		want  ExpectedOutcome
	}{
		{false, "tracefs@boot", ExpectGap}, {true, "tracefs@boot", ExpectDenied},
		{true, "tracefs@runtime", ExpectGap}, {true, "none", ExpectAllowed},
	} {
		s, err := lockdown.ParseSetting(c.text)
		if err != nil {
			t.Fatal(err)
		}
		p := Probe{Claim: Claim{Reason: "tracefs", Expect: Gap}, Where: Where{AbsentIfLockedAtBoot: c.hides}}
		if got := p.Expected(s); got != c.want {
			t.Errorf("%s, hidden at boot %v: %v, want %v", c.text, c.hides, got, c.want)
		}
	}
}
