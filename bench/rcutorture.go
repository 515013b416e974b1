package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
)

// openRCUTorture has the script that runs one scenario of rcutorture boot the
// peers' kernel. Torture runs for a number of minutes that the user gives, so
// the benchmark measures the script with the floor's init in torture's place. Its
// arguments are those of kvm-test-1-run.sh, with TCG instead of KVM. The
// script sleeps 10 s before it first looks.
func openRCUTorture(ctx context.Context, b *bench) (sampler, error) {
	for _, needed := range []struct{ program, hint string }{
		{"gawk", "Debian package gawk"}, {"taskset", "Debian package util-linux"},
	} {
		if _, err := b.find(needed.program, needed.hint); err != nil {
			return nil, err
		}
	}
	k, err := b.kernel(ctx)
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(k.source, "tools/testing/selftests/rcutorture/bin")
	script := filepath.Join(bin, "kvm-test-1-run-qemu.sh")
	if _, err := os.Stat(script); err != nil {
		return nil, fmt.Errorf("find rcutorture's scripts: %w", err)
	}
	a := arch.Get("x86_64")
	initrd, err := b.floorInitrd(ctx, a)
	if err != nil {
		return nil, err
	}
	dir, err := b.workDir("rcutorture/bench")
	if err != nil {
		return nil, err
	}
	console := filepath.Join(dir, "console.log")
	line := tortureCommand(a, k.bzImage, initrd, console)
	return func(ctx context.Context) (float64, error) {
		for name, text := range map[string]string{"qemu-cmd": line, "console.log": ""} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				return 0, fmt.Errorf("write qemu-cmd: %w", err)
			}
		}
		start := time.Now()
		said, err := run(ctx, command{argv: []string{"bash", script, dir}, dir: bin, env: b.env(), limit: peerTimeout})
		took := time.Since(start).Seconds()
		if err != nil {
			return 0, err
		}
		if text, _ := os.ReadFile(console); !strings.Contains(string(text), "Power down") {
			return 0, fmt.Errorf("run kvm-test-1-run-qemu.sh: the kernel did not power off: %s", lastWords(said+string(text)))
		}
		return took, nil
	}, nil
}

// tortureCommand is a file as kvm-test-1-run.sh leaves it: QEMU's command line,
// and settings of the script in comments.
func tortureCommand(a *arch.Arch, kernel, initrd, console string) string {
	return fmt.Sprintf(`%s -display none -no-reboot -smp 1 -net none -machine q35 -cpu %s -serial file:%s -m 512 -kernel %s -initrd %s -append "debug_boot_weak_hash panic=-1 selinux=0 initcall_debug debug console=%s"
# TORTURE_SHUTDOWN_GRACE=60
# seconds=60
`, a.QEMU, a.CPUTCG, console, kernel, initrd, a.Console)
}
