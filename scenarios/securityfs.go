package scenarios

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
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
		{"show", "read the level, and the reasons where they have a file", showScript, false},
		{"junk", "write what names no level and no reason", junkScript, false},
		{"lower", "write the level in force and those below", lowerScript, false},
		{"raise", "lock more, by level after a boot setting and reason by reason after a run-time one", raiseScript, true},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: p.act, Expect: ABI, AltersLock: p.changes, Site: site, Needs: needs,
			Act: func(_ context.Context, env Env) Result {
				if !exists(lockdown.LevelFile) {
					return Result{Outcome: Unavailable, Call: call(openAct(lockdown.LevelFile, unix.O_RDONLY), unix.ENOENT),
						Why: "CONFIG_SECURITY_LOCKDOWN_LSM"}
				}
				return Result{Outcome: Answered, Call: p.act, Ops: slices.Collect(RunSequence(p.script(env)))}
			},
		})
	}
	return s
}

// show reads every file of the interface.
func show(k lockdown.Interface) []lockdown.Op {
	steps := []lockdown.Op{{Call: "read", File: lockdown.LevelFile}}
	if k == lockdown.Bitmap {
		steps = append(steps, lockdown.Op{Call: "read", File: lockdown.ReasonsFile})
	}
	return steps
}

// writes does each write and reads everything after it.
func writes(k lockdown.Interface, file string, data ...string) []lockdown.Op {
	var steps []lockdown.Op
	for _, d := range data {
		steps = append(steps, lockdown.Op{Call: "write", File: file, Data: d})
		steps = append(steps, show(k)...)
	}
	return steps
}

func showScript(env Env) []lockdown.Op { return show(env.Interface) }

func junkScript(env Env) []lockdown.Op {
	steps := writes(env.Interface, lockdown.LevelFile,
		"", "\n", "bogus", "Integrity", "integrity ", " integrity", "integrity\n\n", "integrity,confidentiality",
		"[integrity]", "dev_mem", "2", "\x00integrity", strings.Repeat("x", 5000))
	if env.Interface == lockdown.Bitmap {
		// Also half good: nothing may be locked unless everything is known.
		steps = append(steps, writes(env.Interface, lockdown.ReasonsFile,
			"", "\n", "bogus", "DEV_MEM", "dev_mem ", " dev_mem", "dev_mem\n\n", "dev_mem,", ",dev_mem", "dev_mem,,kexec",
			"dev_mem kexec", "dev_mem,bogus", "bogus,dev_mem", "integrity", "none", "2", "-dev_mem", "!dev_mem",
			"dev_mem=open", "/dev/mem,kmem,port", "dev_mem\x00", strings.Repeat("dev_mem,", 1000)+"dev_mem")...)
	}
	return steps
}

// lowerScript asks for what must be refused: the level in force and all below.
func lowerScript(env Env) []lockdown.Op {
	var steps []lockdown.Op
	for l := env.Setting.Shown(); l >= lockdown.None; l-- {
		steps = append(steps, writes(env.Interface, lockdown.LevelFile, l.String(), l.String()+"\n")...)
	}
	return steps
}

// raiseScript walks up to confidentiality and tries every step back.
func raiseScript(env Env) []lockdown.Op {
	var steps []lockdown.Op
	if env.Interface == lockdown.Bitmap && env.Setting.Via == lockdown.Runtime {
		for _, r := range lockdown.Reasons() {
			steps = append(steps, writes(env.Interface, lockdown.ReasonsFile, string(r.Reason))...)
		}
	} else {
		for l := env.Setting.Shown() + 1; l <= lockdown.Confidentiality; l++ {
			steps = append(steps, writes(env.Interface, lockdown.LevelFile, l.String()+"\n", l.String(), "none")...)
		}
	}
	steps = append(steps, writes(env.Interface, lockdown.LevelFile, "confidentiality", "integrity", "none", "bogus")...)
	if env.Interface == lockdown.Bitmap {
		steps = append(steps, writes(env.Interface, lockdown.ReasonsFile, "dev_mem", "dev_mem,kexec\n", "bogus")...)
	}
	return steps
}
