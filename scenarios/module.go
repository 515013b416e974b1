package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/module"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("module", moduleScenario) }

// module_sig_check comes first in load_module. It checks lockdown only if a module
// has no signature, or one whose key or crypto the kernel does not have
// (kernel/module/signing.c, v6.12). A wrong signature is refused whatever is locked,
// and so is everything under module.sig_enforce: both return EKEYREJECTED.
func moduleScenario() Scenario {
	const site = "kernel/module/signing.c:module_sig_check"
	needs := []string{"CONFIG_MODULES", "CONFIG_MODULE_SIG"}
	return Scenario{
		Name:  "module",
		Title: "load unsigned code into the kernel",
		Probes: []Probe{
			{
				Claim: Claim{Name: "init-junk", Call: "init_module(128 zero bytes)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					return module.InitJunk("init_module(128 zero bytes)", unix.InitModule(make([]byte, module.JunkSize), ""))
				}},
			},
			{
				Claim: Claim{Name: "finit-junk", Call: "finit_module(128 zero bytes)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(context.Context, Env) Report { return module.FinitJunk() }},
			},
			{
				Claim: Claim{Name: "unsigned", Call: "finit_module(ldlab_nop, not signed)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Load(ModuleUnsigned, "", 0) }},
			},
			{
				Claim: Claim{Name: "wrong-key", Call: "finit_module(ldlab_nop, signed with a key that the kernel does not know)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Load(ModuleWrongKey, "", 0) }},
			},
			{
				// A module that is loaded without its versions counts as
				// unsigned.
				Claim: Claim{Name: "ignore-modversions", Call: "finit_module(ldlab_nop, signed, MODULE_INIT_IGNORE_MODVERSIONS)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{Do: func(context.Context, Env) Report {
					return module.Load(ModuleSigned, "", module.IgnoreModversions)
				}},
			},
			{
				Claim: Claim{Name: "signed", Call: "finit_module(ldlab_nop, signed with the lab's key)", Expect: Unchecked, Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Load(ModuleSigned, "", 0) }},
			},
			{
				Claim: Claim{Name: "list", Call: `read("/proc/modules")`, Expect: Unchecked, Reason: "module_signature"},
				Where: Where{Site: "kernel/module/procfs.c:modules_open", Needs: needs[:1]},
				Act: Act{Do: func(context.Context, Env) Report {
					_, r := observe.ReadText("/proc/modules")
					return observe.UnavailableIf(r, "CONFIG_MODULES", unix.ENOENT)
				}},
			},
		},
	}
}
