package template

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/vm"
)

// Check reports whether QEMU can fork machines like config's: it saves and loads
// one in which no guest has run. That takes two starts of QEMU and no boot. If
// cacheDir is not "", a QEMU that can is remembered there until it changes. The
// error is that of ctx or of the config, or an ErrCannotFork with QEMU's message.
func Check(ctx context.Context, config vm.Config, cacheDir string) error {
	config, err := config.Resolve()
	if err != nil {
		return err
	}
	if cacheDir == "" {
		return tryFork(ctx, config)
	}
	key, err := checkKey(ctx, config)
	if err != nil {
		return err
	}
	known := filepath.Join(cacheDir, "forks-"+config.Arch.Name+".json")
	if b, err := os.ReadFile(known); err == nil && string(b) == key {
		return nil
	}
	if err := tryFork(ctx, config); err != nil {
		return err
	}
	// If this fails, the next run checks again.
	_ = os.MkdirAll(cacheDir, 0o755)
	_ = renameio.WriteFile(known, []byte(key), 0o644)
	return nil
}

// checkKey is what the answer depends on, as a JSON string.
func checkKey(ctx context.Context, config vm.Config) (string, error) {
	lines, err := qemuLines(ctx, config)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%q\n", strings.Join(append(lines, "arch "+config.Arch.Name, "accel "+string(config.Accel)), "; ")), nil
}

func tryFork(ctx context.Context, config vm.Config) error {
	atOnce := func(*machine) error { return nil }
	s, _, err := takeWhen(ctx, config, atOnce, "-S") // the guest's processors stand still
	if err != nil {
		return err
	}
	defer s.close()
	m, err := s.start(ctx, config)
	if err == nil {
		err = s.load(ctx, m)
	}
	if err == nil {
		return m.close(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return cannotFork(err)
}
