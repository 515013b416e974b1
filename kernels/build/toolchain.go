package build

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/proc"
)

// A toolchain is what compiles a kernel for an architecture.
type toolchain struct {
	prefix   string // CROSS_COMPILE; empty for the native compiler
	ccache   bool
	compiler string // first line of gcc --version
	linker   string // first line of ld --version
}

// findToolchain finds the compiler and the linker, and their versions.
func findToolchain(ctx context.Context, a *arch.Arch) (toolchain, error) {
	t := toolchain{}
	if !a.Native() {
		t.prefix = a.CrossPrefix
	}
	var err error
	if t.compiler, err = firstLine(ctx, t.prefix+"gcc", "--version"); err != nil {
		return toolchain{}, fmt.Errorf("find compiler for %s: %w; %s", a.Name, err, missingHint(ctx, a))
	}
	if t.linker, err = firstLine(ctx, t.prefix+"ld", "--version"); err != nil {
		return toolchain{}, fmt.Errorf("find linker for %s: %w; %s", a.Name, err, missingHint(ctx, a))
	}
	_, err = exec.LookPath("ccache")
	t.ccache = err == nil
	return t, nil
}

func firstLine(ctx context.Context, name string, args ...string) (string, error) {
	out, err := proc.Output(ctx, proc.Command{Argv: append([]string{name}, args...)})
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// missingHint names the packages to install.
func missingHint(ctx context.Context, a *arch.Arch) string {
	var packages []string
	for _, r := range Requirements(a) {
		if !r.Met(ctx) {
			packages = append(packages, r.Package)
		}
	}
	if len(packages) == 0 {
		return "every package it needs is installed"
	}
	return "install " + strings.Join(packages, " ")
}
