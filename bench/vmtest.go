package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ldlab/ldlab/internal/arch"
)

// vmtestDir is the module of what hugelgupf/vmtest's user would write.
const vmtestDir = "bench/peers/vmtest"

// outsideWork has Go see that module even where the checkout has a go.work.
const outsideWork = "GOWORK=off"

// openVMTest compiles that once. Each sample is the test binary's: it builds
// its initramfs, as each of its runs does, and boots.
func openVMTest(ctx context.Context, b *bench) (sampler, error) {
	k, err := b.kernel(ctx)
	if err != nil {
		return nil, err
	}
	module, err := filepath.Abs(vmtestDir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(module, "go.mod")); err != nil {
		return nil, fmt.Errorf("find the module of the test (is this the checkout?): %w", err)
	}
	test := filepath.Join(b.dir, "vmtest.test")
	build := command{argv: []string{"go", "test", "-c", "-o", test, "."}, dir: module, env: b.env(outsideWork), limit: buildTimeout}
	if _, err := run(ctx, build); err != nil {
		return nil, fmt.Errorf("compile test of hugelgupf/vmtest: %w", err)
	}
	a := arch.Get("x86_64")
	c := command{
		argv: []string{test, "-test.v"}, dir: module, limit: peerTimeout, // the guest's commands come from the module
		env: b.env(outsideWork,
			"VMTEST_ARCH="+a.GOARCH, "VMTEST_KERNEL="+k.bzImage, "VMTEST_KERNEL_APPEND=quiet panic=-1 console="+a.Console,
			"VMTEST_QEMU="+a.QEMU+" -m 256 -no-reboot", // without another option QEMU uses TCG
		),
	}
	return func(ctx context.Context) (float64, error) { return timed(ctx, c, "1 bytes") }, nil
}
