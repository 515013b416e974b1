package plan

import "strings"

// maxAppend leaves room for the lab's own arguments in COMMAND_LINE_SIZE, which is
// 2048 on x86 and arm64 (asm/setup.h, v6.12).
const maxAppend = 1024

// CheckAppend reports kernel arguments that no guest can have.
func CheckAppend(text string) error {
	if len(text) > maxAppend || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return usagef("--append: kernel arguments are printable ASCII, and no more than %d characters", maxAppend)
	}
	for _, arg := range kernelArgs(text) {
		switch {
		case arg == "--":
			return usagef("--append: what follows -- is not for the kernel, and the lab's own arguments would follow it")
		case strings.HasPrefix(arg, "ldlab."):
			return usagef("--append: %q is one of the lab's own arguments", arg)
		}
	}
	return nil
}

// kernelArgs splits kernel arguments as next_arg (lib/cmdline.c, v6.12) does: blanks
// within quotes are part of an argument.
func kernelArgs(text string) []string {
	quoted := false
	args := strings.FieldsFunc(text, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
	for i, arg := range args {
		args[i] = strings.Trim(arg, `"`)
	}
	return args
}
