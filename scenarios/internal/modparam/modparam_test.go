package modparam

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestJudgeBootParam(t *testing.T) {
	const (
		both = "[    0.1] Booting kernel: `0' invalid for parameter `8250.share_irqs'\n[    0.1] Booting kernel: `2' invalid for parameter `8250.share_irqs'\n"
		zero = "Booting kernel: `0' invalid for parameter `8250.share_irqs'\n"
		two  = "Booting kernel: `2' invalid for parameter `8250.share_irqs'\n"
	)
	for _, c := range []struct {
		name, value, log string
		want             observe.Outcome
		effect           observe.Effect
	}{
		{"set", "2", "", observe.Allowed, observe.Happened},
		{"refused, the default is 0", "0", both, observe.Denied, observe.Nothing},
		{"refused, the default is 1", "1", both, observe.Denied, observe.Nothing},
		{"set, then refused", "2", both, observe.Denied, observe.Happened},
		{"only the first is refused", "2", zero, observe.Allowed, observe.Happened},
		{"only the second is refused", "0", two, observe.Allowed, ""},
		{"neither", "1", "", observe.Failed, observe.Nothing},
		{"another parameter", "0", "`2' invalid for parameter `8250.nr_uarts'", observe.Failed, observe.Nothing},
		{"bool, set", "N", two, observe.Allowed, ""},
		{"bool, refused, the default is Y", "Y", both, observe.Denied, observe.Nothing},
		{"bool, refused, the default is N", "N", both, observe.Denied, ""},
		{"bool, neither", "Y", two, observe.Failed, observe.Nothing},
	} {
		if r := judgeBootParam(c.value, c.log); r.Outcome != c.want || r.Effect != c.effect {
			t.Errorf("%s: %s, effect %q, want %s, %q", c.name, r.Outcome, r.Effect, c.want, c.effect)
		}
	}
}

func TestOtherValue(t *testing.T) {
	for was, want := range map[string]string{"Y": "N", "N": "Y", "0": "4", "2": "6", "": "", "(null)": ""} {
		if got := otherValue(was); got != want {
			t.Errorf("%q: %q, want %q", was, got, want)
		}
	}
}
