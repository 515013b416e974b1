package plan

import (
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// maxAppend leaves room for the lab's own arguments in COMMAND_LINE_SIZE, which is
// 2048 on x86 and arm64 (asm/setup.h, v6.12).
const maxAppend = 1024

// CheckAppend reports kernel arguments that no guest can have.
func CheckAppend(text string) error {
	if len(text) > maxAppend || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return usagef("--append: kernel arguments are printable ASCII, and no more than %d characters", maxAppend)
	}
	for _, a := range kernelArgs(text) {
		switch {
		case a.name == "--":
			return usagef("--append: what follows -- is not for the kernel, and the lab's own arguments would follow it")
		case strings.HasPrefix(a.name, "ldlab."):
			return usagef("--append: %q is one of the lab's own arguments", a.name)
		}
	}
	return nil
}

// CheckUnlocked reports kernel arguments that lock: the control, in which nothing is
// locked, would have them, too, and a sound kernel would be accused.
func CheckUnlocked(text string) error {
	for _, a := range kernelArgs(text) {
		if lockdown.ArgLocks(a.name, a.value) {
			return usagef("--append: %q locks the guest that must have nothing locked; say what to lock with --setting, such as integrity@boot", a.name)
		}
	}
	return nil
}

type kernelArg struct{ name, value string }

// kernelArgs splits kernel arguments as next_arg and parameq (lib/cmdline.c,
// kernel/params.c, v6.12) do: quotes group words, and a dash is an underscore.
func kernelArgs(text string) (args []kernelArg) {
	quoted := false
	words := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for _, w := range words {
		name, value, _ := strings.Cut(strings.Trim(w, `"`), "=")
		if name != "--" {
			name = strings.ReplaceAll(name, "-", "_")
		}
		args = append(args, kernelArg{name, strings.Trim(value, `"`)})
	}
	return args
}
