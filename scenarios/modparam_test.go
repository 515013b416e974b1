package scenarios

import "testing"

func TestJudgeBootParam(t *testing.T) {
	const said = "[    0.1] Booting kernel: `1' invalid for parameter `8250.share_irqs'\n"
	for _, c := range []struct {
		value, log string
		want       Outcome
	}{
		{"1", "", Allowed},
		{"Y", "", Allowed},
		{"0", said, Denied},
		{"1", said, Denied}, // 1 is the default, too
		{"0", "", Failed},
		{"0", "`1' invalid for parameter `8250.nr_uarts'", Failed},
	} {
		if r := judgeBootParam(c.value, c.log); r.Outcome != c.want {
			t.Errorf("value %q, log %q: %s, want %s", c.value, c.log, r.Outcome, c.want)
		}
	}
}
