package securityfs

import (
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// show reads every lockdown file.
func show(k lockdown.Interface) []lockdown.Op {
	ops := []lockdown.Op{{Call: "read", File: lockdown.LevelFile}}
	if k.ListsReasons() {
		ops = append(ops, lockdown.Op{Call: "read", File: lockdown.ReasonsFile})
	}
	return ops
}

// writes performs each write and reads every file after it.
func writes(k lockdown.Interface, file string, data ...string) []lockdown.Op {
	var ops []lockdown.Op
	for _, d := range data {
		ops = append(ops, lockdown.Op{Call: "write", File: file, Data: d})
		ops = append(ops, show(k)...)
	}
	return ops
}

func Show(env observe.Env) []lockdown.Op { return show(env.Interface) }

func Junk(env observe.Env) []lockdown.Op {
	ops := writes(env.Interface, lockdown.LevelFile,
		"", "\n", "bogus", "Integrity", "integrity ", " integrity", "integrity\n\n", "integrity,confidentiality",
		"[integrity]", "dev_mem", "2", "\x00integrity", strings.Repeat("x", 5000))
	if env.Interface.ListsReasons() {
		// Also partly valid lists: nothing may be locked unless every name is
		// known.
		ops = append(ops, writes(env.Interface, lockdown.ReasonsFile,
			"", "\n", "bogus", "DEV_MEM", "dev_mem ", " dev_mem", "dev_mem\n\n", "dev_mem,", ",dev_mem", "dev_mem,,kexec",
			"dev_mem kexec", "dev_mem,bogus", "bogus,dev_mem", "integrity", "none", "2", "-dev_mem", "!dev_mem",
			"dev_mem=open", "/dev/mem,kmem,port", "dev_mem\x00", strings.Repeat("dev_mem,", 1000)+"dev_mem")...)
	}
	return ops
}

// Lower makes requests that must be denied: the current level and all lower
// ones.
func Lower(env observe.Env) []lockdown.Op {
	var ops []lockdown.Op
	for l := env.Setting.Level; l >= lockdown.None; l-- {
		ops = append(ops, writes(env.Interface, lockdown.LevelFile, l.String(), l.String()+"\n")...)
	}
	return ops
}

// Raise raises the level up to confidentiality and tries every step down.
func Raise(env observe.Env) []lockdown.Op {
	var ops []lockdown.Op
	if env.Interface.ListsReasons() && env.Setting.Via == lockdown.Runtime {
		for _, r := range lockdown.Reasons() {
			ops = append(ops, writes(env.Interface, lockdown.ReasonsFile, string(r.Reason))...)
		}
	}
	for l := env.Setting.Level + 1; l <= lockdown.Confidentiality; l++ {
		ops = append(ops, writes(env.Interface, lockdown.LevelFile, l.String()+"\n", l.String(), "none")...)
	}
	ops = append(ops, writes(env.Interface, lockdown.LevelFile, "confidentiality", "integrity", "none", "bogus")...)
	if env.Interface.ListsReasons() {
		ops = append(ops, writes(env.Interface, lockdown.ReasonsFile, "dev_mem", "dev_mem,kexec\n", "bogus")...)
	}
	return ops
}
