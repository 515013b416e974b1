package scenarios

import (
	"slices"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// Every reason has a gated probe on an architecture, or a reason why not.
func TestEveryReasonIsProbedOrOutOfReach(t *testing.T) {
	for _, arch := range []string{"x86_64", "arm64"} {
		probed := map[lockdown.Reason]bool{}
		for _, row := range Rows() {
			if row.Expect == Checked && row.On(arch) {
				probed[row.Reason] = true
			}
		}
		n := 0
		for _, info := range lockdown.Reasons() {
			if probed[info.Reason] == (OutOfReach(info.Reason, arch) != "") {
				t.Errorf("%s: %s has probes: %v, is out of reach: %q", arch, info.Reason, probed[info.Reason], OutOfReach(info.Reason, arch))
			}
			if probed[info.Reason] {
				n++
			}
		}
		t.Logf("%s: %d of %d reasons have probes", arch, n, len(lockdown.Reasons()))
	}
}

// A reason that a configuration gives does not hold with another one.
func TestKnownNotReached(t *testing.T) {
	config := func(on ...string) func(string) (string, bool) {
		return func(symbol string) (string, bool) {
			if slices.Contains(on, symbol) {
				return "y", true
			}
			return "n", true
		}
	}
	unknown := func(string) (string, bool) { return "n", false }
	const stat, clock = "kernel/trace/trace_stat.c:tracing_stat_open", "kernel/trace/trace.c:tracing_set_default_clock"
	for _, c := range []struct {
		call, arch string
		config     func(string) (string, bool)
		want       bool
	}{
		{stat, "x86_64", config(), true}, {stat, "arm64", unknown, true},
		{stat, "x86_64", config("CONFIG_FUNCTION_PROFILER"), false}, {stat, "x86_64", config("CONFIG_BRANCH_TRACER"), false},
		{clock, "x86_64", config("CONFIG_FUNCTION_PROFILER"), true}, {clock, "arm64", config(), false},
		{"a.c:f", "x86_64", config(), false},
	} {
		if why := KnownNotReached(c.call, c.arch, c.config); (why != "") != c.want {
			t.Errorf("%s on %s: %q", c.call, c.arch, why)
		}
	}
}
