package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/scenarios/internal/kunit"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("kunit", kunitScenario) }

// The kernel's own tests, on kernels that have some built in. They run at boot, and what
// they found can be read whatever is locked. Their files to run them again may be written,
// so lockdown refuses these; where it does not, they must pass again, and again.
func kunitScenario() Scenario {
	where := Where{Site: "fs/debugfs/file.c:debugfs_locked_down", Needs: []string{"CONFIG_DEBUG_FS", "CONFIG_KUNIT", "CONFIG_KUNIT_DEBUGFS"}}
	return Scenario{Name: "kunit", Title: "run the kernel's own tests, and read what they found", Probes: []Probe{
		{
			Claim: Claim{Name: "results", Call: `read("` + kunit.Dir + `/*/results")`, Expect: Unchecked, Reason: "debugfs"},
			Where: where,
			Act:   Act{Do: func(context.Context, Env) Report { return kunit.Results() }},
		},
		{
			Claim: Claim{Name: "run", Call: observe.WriteCall(kunit.Dir+"/*/run", "1"), Reason: "debugfs"},
			Where: where,
			Act: Act{
				Do: func(context.Context, Env) Report { return kunit.Again() },
				More: func(context.Context, Env) []Variant {
					return []Variant{kunit.Again().Vary("once more")}
				},
			},
		},
	}}
}
