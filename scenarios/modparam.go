package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/modparam"
	"github.com/ldlab/ldlab/scenarios/internal/module"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("modparam", modparamScenario) }

// A parameter made by module_param_hw is checked whenever it is set: on the kernel's
// command line and at module load in kernel/params.c:parse_one, through sysfs in
// param_attr_store. Both call param_check_unsafe, v6.12.
func modparamScenario() Scenario {
	const site = "kernel/params.c:param_check_unsafe"
	needs8250 := []string{"CONFIG_SERIAL_8250"}
	return Scenario{
		Name:  "modparam",
		Title: "set module parameters that steer hardware",
		Probes: []Probe{
			{
				Claim: Claim{Name: "sysfs", Call: observe.WriteCall(modparam.ShareIRQs, "as it is"), Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250},
				Act: Act{Do: func(context.Context, Env) Report {
					return modparam.No8250(observe.WriteBack(modparam.ShareIRQs))
				}},
			},
			{
				// The module is signed: module_signature does not deny it.
				Claim: Claim{Name: "load", Call: `finit_module(ldlab_nop, "irq=1")`, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: []string{"CONFIG_MODULES"}},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Load(ModuleSigned, "irq=1", 0) }},
			},
			{
				Claim: Claim{Name: "boot", Call: modparam.ShareIRQsArg + " on the command line", Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250, CheckedAtBoot: true},
				Act:   Act{Do: func(context.Context, Env) Report { return modparam.No8250(modparam.BootParam()) }},
			},
			{
				Claim: Claim{Name: "load-safe", Call: `finit_module(ldlab_nop, "flag=1")`, Expect: Unchecked, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: []string{"CONFIG_MODULES"}},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Load(ModuleSigned, "flag=1", 0) }},
			},
			{
				Claim: Claim{Name: "sysfs-read", Call: fmt.Sprintf("read(%q)", modparam.ShareIRQs), Expect: Unchecked, Reason: "module_parameters"},
				Where: Where{Site: "kernel/params.c:param_attr_show", Needs: needs8250},
				Act: Act{Do: func(context.Context, Env) Report {
					_, r := observe.ReadText(modparam.ShareIRQs)
					return modparam.No8250(r)
				}},
			},
			{
				Claim: Claim{Name: "sysfs-safe", Call: observe.WriteCall(modparam.SkipTxen, "as it is"), Expect: Unchecked, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250},
				Act: Act{Do: func(context.Context, Env) Report {
					return modparam.No8250(observe.WriteBack(modparam.SkipTxen))
				}},
			},
			{
				Claim: Claim{
					Name:   "alias",
					Call:   observe.WriteCall(modparam.ShareIRQsAlias, "as it is"),
					Expect: Gap,
					Source: "drivers/tty/serial/8250/8250_platform.c:s8250_options, v6.12: module_param_cb makes the old name of the parameter without KERNEL_PARAM_FL_HWPARAM",
					Reason: "module_parameters",
				},
				Where: Where{Site: site, Needs: []string{"CONFIG_SERIAL_8250", "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(observe.WriteBack(modparam.ShareIRQsAlias), "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS", unix.ENOENT)
				}},
			},
		},
	}
}
