package securityfs

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestSequencesAreSafe runs every sequence on the model: only Raise may change
// what is locked.
func TestSequencesAreSafe(t *testing.T) {
	for _, iface := range []lockdown.Interface{lockdown.Upstream, lockdown.Bitmap} {
		for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime", "dev_mem,kcore@runtime", "integrity,kcore@boot"} {
			setting, err := lockdown.ParseSetting(text)
			if err != nil {
				t.Fatal(err)
			}
			if setting.CheckInterface(iface) != nil {
				continue
			}
			env := observe.Env{Setting: setting, Interface: iface}
			for name, sequence := range map[string]func(observe.Env) []lockdown.Op{"show": Show, "junk": Junk, "lower": Lower} {
				model := lockdown.NewModel(iface, setting)
				for _, s := range sequence(env) {
					s = model.Answer(s)
					if s.Call == "write" && s.Err == "" {
						t.Errorf("%s on %s under %s changes something: %s", name, iface, text, s)
					}
				}
			}
			model := lockdown.NewModel(iface, setting)
			for _, s := range Raise(env) {
				model.Answer(s)
			}
			if got := model.Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile}).Data; !strings.Contains(got, "[confidentiality]") {
				t.Errorf("raise on %s under %s ends at %q", iface, text, got)
			}
		}
	}
}
