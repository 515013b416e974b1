package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// openKUnit has kunit.py boot the peers' kernel: no build, only what its exec
// does. Its suite is KUnit's own example, which takes no time. kunit.py
// selects no accelerator, so QEMU uses TCG.
func openKUnit(ctx context.Context, b *bench) (sampler, error) {
	if _, err := b.find("python3", "Debian package python3"); err != nil {
		return nil, err
	}
	k, err := b.kernel(ctx)
	if err != nil {
		return nil, err
	}
	script := filepath.Join(k.source, "tools/testing/kunit/kunit.py")
	if _, err := os.Stat(script); err != nil {
		return nil, fmt.Errorf("find kunit.py: %w", err)
	}
	dir, err := b.workDir("kunit")
	if err != nil {
		return nil, err
	}
	// It looks for the kernel where a build would leave it.
	image := filepath.Join(dir, "arch/x86/boot/bzImage")
	if err := os.MkdirAll(filepath.Dir(image), 0o755); err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	for link, to := range map[string]string{image: k.bzImage, filepath.Join(dir, ".config"): k.config} {
		if err := os.Symlink(to, link); err != nil {
			return nil, fmt.Errorf("link kernel: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".kunitconfig"), []byte("CONFIG_KUNIT=y\n"), 0o644); err != nil {
		return nil, fmt.Errorf("write kunitconfig: %w", err)
	}
	c := command{
		argv: []string{"python3", script, "exec", "--arch=x86_64", "--build_dir=" + dir},
		dir:  dir, env: b.env(), limit: peerTimeout,
	}
	return func(ctx context.Context) (float64, error) { return timed(ctx, c, "[PASSED] example_simple_test") }, nil
}
