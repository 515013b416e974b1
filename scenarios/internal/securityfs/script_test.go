package securityfs

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestScriptsAreSafe replays every script on the model: those that are not
// said to change what is locked must not.
func TestScriptsAreSafe(t *testing.T) {
	for _, kind := range []lockdown.Interface{lockdown.Upstream, lockdown.Bitmap} {
		for _, text := range []string{"none", "integrity@boot", "confidentiality@runtime", "dev_mem,kcore@runtime", "integrity,kcore@boot"} {
			setting, err := lockdown.ParseSetting(text)
			if err != nil {
				t.Fatal(err)
			}
			if setting.CheckInterface(kind) != nil {
				continue
			}
			env := observe.Env{Setting: setting, Interface: kind}
			for name, script := range map[string]func(observe.Env) []lockdown.Op{"show": Show, "junk": Junk, "lower": Lower} {
				model := lockdown.NewModel(kind, setting)
				for _, s := range script(env) {
					s = model.Answer(s)
					if s.Call == "write" && s.Err == "" {
						t.Errorf("%s on %s under %s changes something: %s", name, kind, text, s)
					}
				}
			}
			model := lockdown.NewModel(kind, setting)
			for _, s := range Raise(env) {
				model.Answer(s)
			}
			if got := model.Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile}).Data; !strings.Contains(got, "[confidentiality]") {
				t.Errorf("raise on %s under %s ends at %q", kind, text, got)
			}
		}
	}
}
