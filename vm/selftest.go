package vm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/proc"
)

// A Choice is an accelerator, and one sentence that gives the reason.
type Choice struct {
	Accel Accel
	Why   string
	// CacheErr is why the choice was not kept, so that it is made anew next
	// time; nil: it was kept, or need not be.
	CacheErr error
}

const (
	kvmDevice  = "/dev/kvm"
	bootIDFile = "/proc/sys/kernel/random/boot_id"
)

// SelfTest chooses between KVM and TCG for machines like config's. KVM it is
// only if a Linux guest really sent its first message under KVM within 10 s
// times the host's pace: there are hosts whose /dev/kvm opens, makes machines, and never runs a kernel. The
// verdict is kept in cacheDir until the host boots again or QEMU changes.
//
// config needs a kernel and an initrd that are known to work: a broken one
// would be held against KVM. An error is the lab's or ctx's, and then there is no
// Choice. A cache that cannot be written is no error: see Choice.CacheErr.
func SelfTest(ctx context.Context, config Config, cacheDir string) (Choice, error) {
	config, err := config.Resolve()
	if err != nil {
		return Choice{}, err
	}
	if !config.Arch.Native() {
		return choose(fmt.Sprintf("%s is not the host's architecture", config.Arch.Name)), nil
	}
	dev, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	if err != nil {
		return choose(err.Error()), nil
	}
	dev.Close()

	key, err := selfTestKey(ctx, config.QEMU)
	if err != nil {
		return Choice{}, err
	}
	cache := filepath.Join(cacheDir, "kvm-"+config.Arch.Name+".json")
	return cachedChoice(cache, key, func() (string, error) { return tryKVM(ctx, config) })
}

// cachedChoice is the choice that the file has for the key, or else the one
// that follows from try, which it keeps.
func cachedChoice(file, key string, try func() (trouble string, err error)) (Choice, error) {
	if trouble, ok := cachedTrouble(file, key); ok {
		return choose(trouble), nil
	}
	trouble, err := try()
	if err != nil {
		return Choice{}, err
	}
	choice := choose(trouble)
	choice.CacheErr = storeTrouble(file, verdict{key, trouble})
	return choice, nil
}

// choose turns what is wrong with KVM, or "", into a choice.
func choose(trouble string) Choice {
	if trouble == "" {
		return Choice{Accel: KVM, Why: "KVM: a Linux guest ran under it"}
	}
	return Choice{Accel: TCG, Why: "TCG: " + trouble}
}

// tryKVM boots config under KVM and returns what is wrong with it; "": nothing.
func tryKVM(ctx context.Context, config Config) (trouble string, err error) {
	config.Accel, config.Scale, config.BootTimeout = KVM, config.Pace.Factor(), config.Pace.Limit(selfTestTimeout)
	m, err := Start(ctx, config)
	if ctx.Err() != nil {
		if m != nil {
			m.Close(ctx)
		}
		return "", fmt.Errorf("test KVM: %w", ctx.Err())
	}
	var qemu *QEMUError
	if errors.As(err, &qemu) {
		return fmt.Sprintf("%s opens, but QEMU can't use it: %s", kvmDevice, qemu.Words), nil
	}
	if err != nil {
		return "", fmt.Errorf("test KVM: %w", err)
	}
	ready := m.AwaitReady(ctx)
	if err := m.Close(ctx); err != nil {
		return "", fmt.Errorf("test KVM: %w", err)
	}
	var guest *GuestError
	switch {
	case ready == nil:
		return "", nil
	case errors.As(ready, &guest):
		return fmt.Sprintf("%s opens, but no Linux guest reported within %.3g s under KVM (%s)",
			kvmDevice, config.BootTimeout.Seconds(), guest.End.Cause), nil
	}
	return "", fmt.Errorf("test KVM: %w", ready)
}

// A verdict is what the cache holds.
type verdict struct {
	Key     string
	Trouble string
}

// selfTestKey is what a verdict holds for: one boot of the host, one QEMU.
func selfTestKey(ctx context.Context, qemu string) (string, error) {
	boot, err := os.ReadFile(bootIDFile)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	version, err := QEMUVersion(ctx, qemu)
	if err != nil {
		return "", err
	}
	return strings.Join([]string{string(bytes.TrimSpace(boot)), qemu, version}, " "), nil
}

// QEMUVersion is the first line that qemu --version prints. An error is a
// *proc.Error.
func QEMUVersion(ctx context.Context, qemu string) (string, error) {
	out, err := proc.Output(ctx, proc.Command{Argv: []string{qemu, "--version"}, WaitDelay: pace.Host().Limit(quitTimeout)})
	if err != nil {
		return "", fmt.Errorf("get version of QEMU: %w", err)
	}
	version, _, _ := strings.Cut(string(out), "\n")
	return version, nil
}

// cachedTrouble reads a verdict. Whatever is not a verdict for this key is as
// good as none.
func cachedTrouble(path, key string) (string, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	var v verdict
	if json.Unmarshal(b, &v) != nil || v.Key != key {
		return "", false
	}
	return v.Trouble, true
}

// storeTrouble writes a verdict so that a reader sees all of it or none.
func storeTrouble(path string, v verdict) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode verdict: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("store verdict: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".kvm-")
	if err != nil {
		return fmt.Errorf("store verdict: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store verdict: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("store verdict: %w", err)
	}
	return nil
}
