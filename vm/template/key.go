package template

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/vm"
)

// templateVersion is in every cached template. It changes with the format, and
// with what this package does to a machine before it is saved.
const templateVersion = 2

// bootIDFile has a random UUID that is another after each boot of the host.
const bootIDFile = "/proc/sys/kernel/random/boot_id"

// ingredients is everything that decides a template, a line each. The paths of
// the kernel, the initrd and the firmware are not part of it, their content is.
func ingredients(ctx context.Context, config vm.Config) (string, error) {
	var kernel, initrd, firmware string
	var qemu []string
	var errs [4]error
	var all sync.WaitGroup // QEMU takes as long to print its version as the sums
	sum := func(path string, sum *string, err *error) {
		all.Go(func() { *sum, _, *err = cache.SumFile(path) })
	}
	sum(config.Kernel, &kernel, &errs[0])
	sum(config.Initrd, &initrd, &errs[1])
	if config.Firmware != "" {
		sum(config.Firmware, &firmware, &errs[2])
	}
	all.Go(func() { qemu, errs[3] = qemuLines(ctx, config) })
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return "", err
	}
	lines := append([]string{
		fmt.Sprintf("template %d", templateVersion),
		"arch " + config.Arch.Name,
		"kernel " + kernel,
		"initrd " + initrd,
		"firmware " + firmware,
	}, qemu...)
	if config.Accel == vm.KVM {
		// The state depends on the host's processor and kernel.
		boot, err := os.ReadFile(bootIDFile)
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

// qemuLines identifies QEMU: its version, and its file.
func qemuLines(ctx context.Context, config vm.Config) ([]string, error) {
	version, err := vm.QEMUVersion(ctx, config.QEMU)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(config.QEMU)
	if err != nil {
		return nil, fmt.Errorf("stat QEMU: %w", err)
	}
	return []string{
		"qemu " + version,
		fmt.Sprintf("qemu %s, %d bytes of %s", config.QEMU, info.Size(), info.ModTime().UTC()),
	}, nil
}

// keyOf is a name for ingredients.
func keyOf(ingredients string) string {
	sum := sha256.Sum256([]byte(ingredients))
	return hex.EncodeToString(sum[:16])
}
