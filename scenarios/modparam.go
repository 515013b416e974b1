package scenarios

import (
	"context"
	"fmt"
	"strings"

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
				Claim: Claim{Name: "sysfs", Call: observe.WriteCall(modparam.ShareIRQs, "another value"), Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250},
				Act: Act{
					Do: func(context.Context, Env) Report {
						return modparam.No8250(modparam.SetOther(modparam.ShareIRQs, modparam.AsIs))
					},
					More: func(context.Context, Env) []Variant { return modparam.Variants(modparam.ShareIRQs) },
				},
			},
			{
				// The module is signed: module_signature does not deny it.
				Claim: Claim{Name: "load", Call: `finit_module(ldlab_nop, "irq=7")`, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: []string{"CONFIG_MODULES", "CONFIG_LDLAB_MODULE"}},
				Act: Act{
					Do:   func(context.Context, Env) Report { return withParams("irq=7", "irq=7").Load() },
					More: func(context.Context, Env) []Variant { return paramVariants() },
				},
			},
			{
				Claim: Claim{Name: "boot", Call: strings.Join(modparam.BootArgs(), " ") + " on the command line", Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250, CheckedAtBoot: true, Conditions: lateLSM},
				Act:   Act{Do: func(context.Context, Env) Report { return modparam.No8250(modparam.BootParam()) }},
			},
			{
				Claim: Claim{Name: "load-safe", Call: `finit_module(ldlab_nop, "flag=1")`, Expect: Unchecked, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: []string{"CONFIG_MODULES", "CONFIG_LDLAB_MODULE"}},
				Act:   Act{Do: func(context.Context, Env) Report { return withParams("flag=1", "flag=Y").Load() }},
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
				Claim: Claim{Name: "sysfs-safe", Call: observe.WriteCall(modparam.SkipTxen, "another value"), Expect: Unchecked, Reason: "module_parameters"},
				Where: Where{Site: site, Needs: needs8250},
				Act: Act{Do: func(context.Context, Env) Report {
					return modparam.No8250(modparam.SetOther(modparam.SkipTxen, modparam.AsIs))
				}},
			},
			{
				Claim: Claim{
					Name:   "alias",
					Call:   observe.WriteCall(modparam.ShareIRQsAlias, "another value"),
					Expect: Gap,
					Class:  Bug,
					Source: "drivers/tty/serial/8250/8250_platform.c:s8250_options, v6.12: module_param_cb makes the old name of the parameter without KERNEL_PARAM_FL_HWPARAM",
					Reason: "module_parameters",
				},
				Where: Where{
					Site:       site,
					Needs:      []string{"CONFIG_SERIAL_8250", "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS"},
					Conditions: []Condition{{Since: "6.19", Then: ThenAbsent, Source: `37d55c92e9db ("serial: drop SERIAL_8250_DEPRECATED_OPTIONS")`}},
				},
				Act: Act{Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(modparam.SetOther(modparam.ShareIRQsAlias, modparam.AsIs), "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS", unix.ENOENT)
				}},
			},
		},
	}
}

// BootArgs are kernel arguments of every guest: a probe looks at their effect.
func BootArgs() []string { return modparam.BootArgs() }

// withParams is the signed module with parameters, and how sysfs shows them.
func withParams(params string, sets ...string) module.Loading {
	return module.Loading{File: ModuleSigned, Params: params, Sets: sets}
}

// paramVariants loads the module with each kind of parameter that configures
// hardware (include/linux/moduleparam.h:hwparam_type, v6.12), with several, and in
// other notations.
func paramVariants() (list []Variant) {
	for _, v := range []struct{ params, sets string }{
		{"io=0x300", "io=768"},
		{"mem=0xd0000", "mem=851968"},
		{"dma=1,3", "dma=1,3"},
		{"model=ldlab", "model=ldlab"},
		{"shared", "shared=Y"},
		{`irq="7"`, "irq=7"},
		{"flag=1 irq=7", "irq=7"},
		{"irq=7 flag=1", "irq=7"},
		{"irq=7 io=0x300 irq=5", "irq=5"},
	} {
		list = append(list, withParams(v.params, v.sets).Load().Vary(v.params))
	}
	how := withParams("irq=7", "irq=7")
	how.Memory = true
	return append(list, how.Load().Vary("init_module"), setLoaded("irq"))
}

// setLoaded loads the module without parameters and sets one through sysfs. It must
// be one that can be written: sysfs has no store for the others, whatever mode root
// gives the file (kernel/params.c:add_sysfs_param, v6.12).
func setLoaded(param string) Variant {
	l := module.Loading{File: ModuleSigned}
	return l.While(func(dir string) Report { return modparam.SetOther(dir+"/parameters/"+param, modparam.AsIs) }).Vary(param + " through sysfs")
}
