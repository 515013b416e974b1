package securityfs

import (
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

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

func Show(env observe.Env) []lockdown.Op { return show(env.Interface) }

func Junk(env observe.Env) []lockdown.Op {
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

// Lower asks for what must be refused: the level in force and all below.
func Lower(env observe.Env) []lockdown.Op {
	var steps []lockdown.Op
	for l := env.Setting.Shown(); l >= lockdown.None; l-- {
		steps = append(steps, writes(env.Interface, lockdown.LevelFile, l.String(), l.String()+"\n")...)
	}
	return steps
}

// Raise walks up to confidentiality and tries every step back.
func Raise(env observe.Env) []lockdown.Op {
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
