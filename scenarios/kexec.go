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
						}
					},
				},
			},
			{
				Claim: Claim{Name: "file-unsigned", Call: "kexec_file_load(unsigned image)", Reason: "kexec"},
				Where: Where{Site: "kernel/kexec_file.c:kimage_validate_signature", Needs: []string{"CONFIG_KEXEC_FILE", "CONFIG_KEXEC_SIG"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return kexec.LoadFile("unsigned image", KexecUnsigned, observe.NoImage)
				}},
			},
			{
				Claim: Claim{Name: "file-signed", Call: "kexec_file_load(image signed with the lab's key)", Expect: Unchecked, Reason: "kexec"},
				Where: Where{Site: "kernel/kexec_file.c:kimage_validate_signature", Needs: []string{"CONFIG_KEXEC_FILE", "CONFIG_KEXEC_SIG"}},
				Act: Act{Do: func(context.Context, Env) Report {
					return kexec.LoadFile("image signed with the lab's key", KexecSigned, observe.NoTrustedImage)
				}},
			},
		},
	}
}
