package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/scenarios/internal/module"
)

func init() { register("mmiotrace", mmiotraceScenario) }

// The one site is the first check of testmmiotrace, a module that writes garbage to
// the address it is given. The act gives it none, because an address would be denied
// as a module parameter before that; the module then returns ENXIO
// (arch/x86/mm/testmmiotrace.c:init, v6.12). Where mmiotrace is locked alone, a
// variant with an address shows whether it writes. The tracer itself checks nothing.
func mmiotraceScenario() Scenario {
	only := []string{"x86_64"}
	return Scenario{
		Name:  "mmiotrace",
		Title: "write to any physical address with the test module of mmiotrace",
		Probes: []Probe{
			{
				Claim: Claim{Name: "test-module", Call: `finit_module(testmmiotrace, "", 0), signed with the lab's key`, Reason: "mmiotrace"},
				Where: Where{Site: "arch/x86/mm/testmmiotrace.c:init", Needs: []string{"CONFIG_MODULES", "CONFIG_MMIOTRACE_TEST"}, Only: only},
				Act: Act{
					Do: func(context.Context, Env) Report { return module.LoadMmiotrace(MmiotraceSigned, "") },
					More: func(context.Context, Env) []Variant {
						return []Variant{module.LoadMmiotrace(MmiotraceSigned, module.VGAHole).Vary(module.VGAHole)}
					},
				},
			},
			{
				Claim: Claim{Name: "other-module", Call: `finit_module(another module, "", 0), signed with a key that the kernel trusts`, Expect: Unchecked, Reason: "mmiotrace"},
				Where: Where{Site: "kernel/module/main.c:load_module", Needs: []string{"CONFIG_MODULES", "CONFIG_LDLAB_MODULE"}, Only: only},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Loading{File: ModuleSigned}.Load() }},
			},
		},
	}
}
