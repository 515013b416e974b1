package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/scenarios/internal/kexec"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("kexec", kexecScenario) }

// kexec_load is refused whenever the reason is locked, kexec_file_load only
// for an image whose signature does not verify, and only with KEXEC_SIG.
// kernel.kexec_load_disabled returns EPERM, too, but logs nothing.
func kexecScenario() Scenario {
	const site = "kernel/kexec_file.c:kimage_validate_signature"
	unsigned := kexec.File{What: "unsigned image", Path: KexecUnsigned, Missing: observe.NoImage}
	signed := kexec.File{What: "image signed with the lab's key", Path: KexecSigned, Missing: observe.NoTrustedImage}
	return Scenario{
		Name:  "kexec",
		Title: "load another kernel to replace the running one",
		Probes: []Probe{
			{
				Claim: Claim{Name: "load", Call: "kexec_load(one segment)", Reason: "kexec"},
				Where: Where{Site: "kernel/kexec.c:kexec_load_check", Needs: []string{"CONFIG_KEXEC"}},
				Act: Act{
					Do: func(context.Context, Env) Report { return kexec.Load(0, 1) },
					More: func(context.Context, Env) []Variant {
						return []Variant{
							kexec.Load(kexec.OnCrash, 1).Vary("KEXEC_ON_CRASH"),
							kexec.Load(kexec.PreserveContext, 1).Vary("KEXEC_PRESERVE_CONTEXT"),
							kexec.Load(0, 16).Vary("16 segments"), // KEXEC_SEGMENT_MAX
							kexec.Load(kexec.OnCrash, 16).Vary("KEXEC_ON_CRASH, 16 segments"),
							kexec.LoadOver(signed).Vary("over a signed image"),
						}
					},
				},
			},
			{
				Claim: Claim{Name: "file-unsigned", Call: "kexec_file_load(unsigned image)", Reason: "kexec"},
				Where: Where{
					Site:  site,
					Needs: []string{"CONFIG_KEXEC_FILE"},
					Conditions: []Condition{{
						Config: "CONFIG_KEXEC_SIG=n", Then: ThenGap, Class: Disputed,
						Source: "kernel/kexec_file.c:kimage_file_prepare_segments, v6.12: calls kimage_validate_signature with CONFIG_KEXEC_SIG only; series 20221230065850.897967-1-coxu@redhat.com was not merged",
					}},
				},
				Act: Act{
					Do:   func(context.Context, Env) Report { return unsigned.Load() },
					More: func(context.Context, Env) []Variant { return kexecFiles(unsigned, signed) },
				},
			},
			{
				Claim: Claim{Name: "file-signed", Call: "kexec_file_load(image signed with the lab's key)", Expect: Unchecked, Reason: "kexec"},
				Where: Where{Site: site, Needs: []string{"CONFIG_KEXEC_FILE", "CONFIG_KEXEC_SIG"}},
				Act:   Act{Do: func(context.Context, Env) Report { return signed.Load() }},
			},
			{
				// An image that was loaded before the lock can be started, but
				// not replaced. Only kexec_file_load can unload it then.
				Claim:    Claim{Name: "replace", Call: "kexec_load(one segment) over an image from before the lock", Reason: "kexec"},
				Where:    Where{Site: "kernel/kexec.c:kexec_load_check", Needs: []string{"CONFIG_KEXEC", "CONFIG_KEXEC_FILE"}},
				Schedule: Schedule{Machine: Held},
				Act: Act{Setup: func(context.Context, Env) (func(context.Context) Report, Report) {
					return later(kexec.ReplaceLater())
				}},
			},
		},
	}
}

// kexecFiles are the variants of kexec_file_load with an image that the kernel
// must not take.
func kexecFiles(unsigned, signed kexec.File) []Variant {
	var list []Variant
	for _, v := range []struct {
		args   string
		change func(f *kexec.File)
	}{
		{"KEXEC_FILE_ON_CRASH", func(f *kexec.File) { f.Flags = kexec.FileOnCrash }},
		{"with an initrd", func(f *kexec.File) { f.Initrd = true }},
		{"with a command line", func(f *kexec.File) { f.Cmdline = "ldlab" }},
		{"KEXEC_FILE_ON_CRASH, with an initrd and a command line", func(f *kexec.File) { f.Flags, f.Initrd, f.Cmdline = kexec.FileOnCrash, true, "ldlab" }},
		{"KEXEC_FILE_DEBUG", func(f *kexec.File) { f.Flags = kexec.FileDebug }},
		{"signed, then changed", func(f *kexec.File) { *f = signed; f.What, f.Broken = "image that was signed and then changed", true }},
		{"signed, then changed, KEXEC_FILE_ON_CRASH", func(f *kexec.File) {
			*f = signed
			f.What, f.Broken, f.Flags = "image that was signed and then changed", true, kexec.FileOnCrash
		}},
	} {
		f := unsigned
		v.change(&f)
		list = append(list, f.Load().Vary(v.args))
	}
	return list
}

// later adapts the act that a Setup returns.
func later(act func() Report, r Report) (func(context.Context) Report, Report) {
	if act == nil {
		return nil, r
	}
	return func(context.Context) Report { return act() }, r
}
