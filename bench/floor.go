package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/vm"
)

// floorTimeout is the time limit of a boot of the floor.
const floorTimeout = 2 * time.Minute

// floor boots the same machine and kernel with an init that powers off, from
// the start of QEMU to its end: no boot is faster.
func floor(sel plan.Selection) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		s, g, err := b.stage(ctx, sel)
		if err != nil {
			return nil, err
		}
		config := s.Machine(g)
		config.Initrd, err = b.floorInitrd(ctx, config.Arch)
		return func(ctx context.Context) (float64, error) { return toPowerOff(ctx, config) }, err
	}
}

func toPowerOff(ctx context.Context, config vm.Config) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, floorTimeout)
	defer cancel()
	start := time.Now()
	m, err := vm.Start(ctx, config)
	if err != nil {
		return 0, err
	}
	defer m.Close(context.WithoutCancel(ctx))
	if end := m.Wait(ctx); end.Cause != vm.PoweredOff {
		return 0, fmt.Errorf("boot floor: %s", end)
	}
	return time.Since(start).Seconds(), nil
}

// floorSource is the init that powers off. It is built from this copy, because the
// benchmark runs in the directory of another module.
//
//go:embed floor/main.go
var floorSource []byte

// floorInitrd packs the init that powers off.
func (b *bench) floorInitrd(ctx context.Context, a *arch.Arch) (string, error) {
	init, image := filepath.Join(b.dir, "floor-"+a.Name), filepath.Join(b.dir, "floor-"+a.Name+".cpio")
	source := filepath.Join(b.dir, "floor.go")
	if err := os.WriteFile(source, floorSource, 0o644); err != nil {
		return "", fmt.Errorf("write floor: %w", err)
	}
	env := append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.GOARCH)
	_, err := run(ctx, command{
		argv: []string{"go", "build", "-trimpath", "-ldflags=-s -w", "-o", init, source},
		dir:  b.dir, env: env, limit: buildTimeout,
	})
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(init)
	if err != nil {
		return "", fmt.Errorf("pack floor: %w", err)
	}
	f, err := os.Create(image)
	if err != nil {
		return "", fmt.Errorf("pack floor: %w", err)
	}
	defer f.Close()
	w := cpio.Newc.Writer(f)
	records := []cpio.Record{cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1), cpio.StaticFile("init", string(text), 0o755)}
	if err := cpio.WriteRecords(w, records); err != nil {
		return "", fmt.Errorf("pack floor: %w", err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return "", fmt.Errorf("pack floor: %w", err)
	}
	return image, f.Close()
}
