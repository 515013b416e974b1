package scenarios

import (
	"context"
	"slices"

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
	withModule := append(slices.Clip(needs), "CONFIG_LDLAB_MODULE") // the module that is loaded
	zeros := module.Junk{What: "128 zero bytes", Size: module.JunkSize}
	junk := []module.Junk{
		{What: "64 KiB of zeros", Size: 64 << 10},
		{What: "zeros with a stranger's signature", Size: module.JunkSize, Sign: module.Stranger},
		{What: "zeros with a signature of an unknown hash", Size: module.JunkSize, Sign: module.OtherHash},
		{What: "zeros with a signature that is not PKCS#7", Size: module.JunkSize, Sign: module.NoPKCS7},
	}
	flags := []loadingVariant{
		{"init_module", module.Loading{Memory: true}},
		{"from a file in memory", module.Loading{Copied: true}},
		{"MODULE_INIT_IGNORE_MODVERSIONS", module.Loading{Flags: module.IgnoreModversions}},
		{"MODULE_INIT_IGNORE_VERMAGIC", module.Loading{Flags: module.IgnoreVermagic}},
		{"MODULE_INIT_IGNORE_MODVERSIONS|MODULE_INIT_IGNORE_VERMAGIC", module.Loading{Flags: module.IgnoreModversions | module.IgnoreVermagic}},
	}
	return Scenario{
		Name:  "module",
		Title: "load unsigned code into the kernel",
		Probes: []Probe{
			{
				Claim: Claim{Name: "init-junk", Call: "init_module(128 zero bytes)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do: func(context.Context, Env) Report { return zeros.Init() },
					More: func(context.Context, Env) (list []Variant) {
						for _, j := range junk {
							list = append(list, j.Init().Vary(j.What))
						}
						return list
					},
				},
			},
			{
				Claim: Claim{Name: "finit-junk", Call: "finit_module(128 zero bytes)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: needs},
				Act: Act{
					Do: func(context.Context, Env) Report { return zeros.Finit(0) },
					More: func(context.Context, Env) []Variant {
						list := []Variant{
							zeros.Finit(module.IgnoreModversions).Vary("MODULE_INIT_IGNORE_MODVERSIONS"),
							zeros.Finit(module.IgnoreVermagic).Vary("MODULE_INIT_IGNORE_VERMAGIC"),
						}
						for _, j := range junk {
							list = append(list, j.Finit(0).Vary(j.What))
						}
						return append(list, junk[0].Finit(module.IgnoreVermagic).Vary(junk[0].What+", MODULE_INIT_IGNORE_VERMAGIC"))
					},
				},
			},
			{
				Claim: Claim{Name: "unsigned", Call: "finit_module(a module, not signed)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: withModule},
				Act: Act{
					Do: func(context.Context, Env) Report { return module.Loading{File: ModuleUnsigned}.Load() },
					More: func(context.Context, Env) []Variant {
						return loadings(ModuleUnsigned, append(slices.Clip(flags),
							loadingVariant{"MODULE_INIT_COMPRESSED_FILE", module.Loading{Flags: module.CompressedFile}},
							loadingVariant{"4 MiB of zeros behind it", module.Loading{Behind: 4 << 20}}))
					},
				},
			},
			{
				Claim: Claim{Name: "wrong-key", Call: "finit_module(a module, signed with a key that the kernel does not know)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: withModule},
				Act: Act{
					Do:   func(context.Context, Env) Report { return module.Loading{File: ModuleWrongKey}.Load() },
					More: func(context.Context, Env) []Variant { return loadings(ModuleWrongKey, flags) },
				},
			},
			{
				// A module that is loaded without its versions counts as
				// unsigned.
				Claim: Claim{Name: "ignore-modversions", Call: "finit_module(a module, signed, MODULE_INIT_IGNORE_MODVERSIONS)", Reason: "module_signature"},
				Where: Where{Site: site, Needs: withModule},
				Act: Act{
					Do: func(context.Context, Env) Report {
						return module.Loading{File: ModuleSigned, Flags: module.IgnoreModversions}.Load()
					},
					More: func(context.Context, Env) []Variant { return loadings(ModuleSigned, flags[3:]) },
				},
			},
			{
				Claim: Claim{Name: "signed", Call: "finit_module(a module, signed with a key that the kernel trusts)", Expect: Unchecked, Reason: "module_signature"},
				Where: Where{Site: site, Needs: withModule},
				Act:   Act{Do: func(context.Context, Env) Report { return module.Loading{File: ModuleSigned}.Load() }},
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

// A loadingVariant is a way of loading a module.
type loadingVariant struct {
	args string
	how  module.Loading
}

// loadings loads a module of the guest in other ways.
func loadings(file string, ways []loadingVariant) (list []Variant) {
	for _, v := range ways {
		v.how.File = file
		list = append(list, v.how.Load().Vary(v.args))
	}
	return list
}
