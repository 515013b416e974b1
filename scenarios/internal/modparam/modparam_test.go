package modparam

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestJudgeBootParam(t *testing.T) {
	const logged = "[    0.1] Booting kernel: `1' invalid for parameter `8250.share_irqs'\n"
	for _, c := range []struct {
		value, log string
		want       observe.Outcome
	}{
		{"1", "", observe.Allowed},
		{"Y", "", observe.Allowed},
		{"0", logged, observe.Denied},
		{"1", logged, observe.Denied}, // 1 is also the default
		{"0", "", observe.Failed},
		{"0", "`1' invalid for parameter `8250.nr_uarts'", observe.Failed},
	} {
		if r := judgeBootParam(c.value, c.log); r.Outcome != c.want {
			t.Errorf("value %q, log %q: %s, want %s", c.value, c.log, r.Outcome, c.want)
		}
	}
}
