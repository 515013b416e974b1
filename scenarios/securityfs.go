package scenarios

import (
	"context"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/securityfs"
)

func init() { register("securityfs", securityfsScenario) }

// The interface itself: what it shows, what it refuses, and every transition
// up. The guest only records; the host compares with lockdown.Model.
func securityfsScenario() Scenario {
	needs := []string{"CONFIG_SECURITYFS", "CONFIG_SECURITY_LOCKDOWN_LSM"}
	const site = "security/lockdown/lockdown.c"
	s := Scenario{Name: "securityfs", Title: "lower, skip or confuse lockdown through its own files"}
	for _, p := range []struct {
		name, act string
		script    func(Env) []lockdown.Op
		changes   bool
	}{
		{"show", "read the level, and the reasons where they have a file", securityfs.Show, false},
		{"junk", "write what names no level and no reason", securityfs.Junk, false},
		{"lower", "write the level in force and those below", securityfs.Lower, false},
		{"raise", "lock more, by level after a boot setting and reason by reason after a run-time one", securityfs.Raise, true},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: p.act, Expect: ABI},
			Where:    Where{Site: site, Needs: needs},
			Schedule: Schedule{AltersLock: p.changes},
			Act: Act{Do: func(_ context.Context, env Env) Report {
				if !observe.Exists(lockdown.LevelFile) {
					return Report{Outcome: Unavailable, Call: observe.CallText(observe.OpenCall(lockdown.LevelFile, unix.O_RDONLY), unix.ENOENT),
						Why: "CONFIG_SECURITY_LOCKDOWN_LSM"}
				}
				return Report{Outcome: Answered, Call: p.act, Ops: slices.Collect(securityfs.Run(p.script(env)))}
			}},
		})
	}
	return s
}
