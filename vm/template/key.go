package template

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/vm"
)

// templateVersion is in every cached template: a change of the format, or of
// what this package does to a machine before it is saved, is a new version.
const templateVersion = 1

// ingredients is all that goes into a template, a line each. The paths of the
// kernel, the initrd and the firmware are not part of it, their content is.
func ingredients(ctx context.Context, config vm.Config) (string, error) {
	var kernel, initrd, firmware, version string
	var errs [4]error
	var all sync.WaitGroup // QEMU takes as long to say its version as the sums
	all.Go(func() { kernel, errs[0] = sumFile(config.Kernel) })
	all.Go(func() { initrd, errs[1] = sumFile(config.Initrd) })
	all.Go(func() { version, errs[2] = vm.QEMUVersion(ctx, config.QEMU) })
	if config.Firmware != "" {
		all.Go(func() { firmware, errs[3] = sumFile(config.Firmware) })
	}
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return "", err
	}
	qemu, err := os.Stat(config.QEMU)
	if err != nil {
		return "", fmt.Errorf("look at QEMU: %w", err)
	}
	lines := []string{
		fmt.Sprintf("template %d", templateVersion),
		"arch " + config.Arch.Name,
		"kernel " + kernel,
		"initrd " + initrd,
		"firmware " + firmware,
		"qemu " + version,
		fmt.Sprintf("qemu %s, %d bytes of %s", config.QEMU, qemu.Size(), qemu.ModTime().UTC()),
	}
	if config.Accel == vm.KVM {
		// The state is of the host's processor, under the host's kernel.
		boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return "", fmt.Errorf("read boot id: %w", err)
		}
		lines = append(lines, "boot "+string(bytes.TrimSpace(boot)))
	}
	config.Kernel, config.Initrd = "kernel", "initrd"
	if config.Firmware != "" {
		config.Firmware = "firmware"
	}
	argv, err := config.Argv()
	if err != nil {
		return "", err
	}
	for _, word := range argv {
		lines = append(lines, fmt.Sprintf("arg %q", word))
	}
	return strings.Join(lines, "\n"), nil
}

// keyOf is a name for ingredients.
func keyOf(ingredients string) string {
	sum := sha256.Sum256([]byte(ingredients))
	return hex.EncodeToString(sum[:16])
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("sum file: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("sum file: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
