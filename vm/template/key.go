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
// the files that the guest is made of are not part of it, their content is.
func ingredients(ctx context.Context, config vm.Config) (string, error) {
	inputs := config.Inputs()
	sums, errs := make([]string, len(inputs)), make([]error, len(inputs)+1)
	var qemu []string
	var all sync.WaitGroup // QEMU takes as long to print its version as the sums
	for i, path := range inputs {
		all.Go(func() { sums[i], _, errs[i] = cache.SumFile(path) })
	}
	all.Go(func() { qemu, errs[len(inputs)] = qemuLines(ctx, config) })
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	lines := append([]string{fmt.Sprintf("template %d", templateVersion), "arch " + config.Arch.Name}, qemu...)
	for i, sum := range sums {
		name := fmt.Sprintf("input %d", i)
		lines = append(lines, name+" "+sum)
		inputs[i] = name // in the arguments below
	}
	if config.Accel == vm.KVM {
		// The state depends on the host's processor and kernel.
		boot, err := os.ReadFile(bootIDFile)
		if err != nil {
			return "", fmt.Errorf("read boot id: %w", err)
		}
		lines = append(lines, "boot "+string(bytes.TrimSpace(boot)))
	}
	argv, err := config.WithInputs(inputs).Argv()
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
