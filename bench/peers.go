package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
)

// peerSubjects are the lab and its peers on one kernel. Each boots it, runs one
// check (kunit.py: one suite), and ends.
func peerSubjects() []subject {
	return []subject{
		{id: "peers/floor", title: "the peers' kernel and an init that powers off", unit: "s", open: onPeersKernel(floor)},
		{id: "peers/ldlab", title: "ldlab on the peers' kernel, initramfs step and boot to the first answer", unit: "s", open: onPeersKernel(bootWithInitramfs)},
		{id: "peers/ldlab-end", title: "ldlab on the peers' kernel, initramfs step and boot to its power-off", unit: "s", open: onPeersKernel(bootToEnd)},
		{id: "peers/kunit", title: "kunit.py exec on the peers' kernel", unit: "s", open: openKUnit},
		{id: "peers/rcutorture", title: "rcutorture's kvm-test-1-run-qemu.sh on the peers' kernel", unit: "s", open: openRCUTorture},
		{id: "peers/vmtest", title: "hugelgupf/vmtest on the peers' kernel", unit: "s", open: openVMTest},
		{id: "peers/virtme-ng", title: "virtme-ng on the peers' kernel", unit: "s", open: openVirtmeNG},
	}
}

// onPeersKernel measures the lab itself on the kernel of its peers.
func onPeersKernel(measure func(plan.Selection) func(context.Context, *bench) (sampler, error)) func(context.Context, *bench) (sampler, error) {
	return func(ctx context.Context, b *bench) (sampler, error) {
		k, err := b.kernel(ctx)
		if err != nil {
			return nil, err
		}
		sel := plan.Selection{Image: k.vmlinux, Config: k.config, Arches: []string{"x86_64"}, Settings: []string{"none"}, Probes: []string{oneProbe}}
		return measure(sel)(ctx, b)
	}
}

// find looks for a peer's program: in the directory of peers, where Debian's
// packages are unpacked, and then in PATH.
func (b *bench) find(program, hint string) (string, error) {
	if path := filepath.Join(b.peers, "usr/bin", program); executable(path) {
		return path, nil
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s is not installed: %s", program, hint)
	}
	return path, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// env is the environment of a peer: what is in the directory of peers comes
// first, and nothing is written beside sources that are not ours.
func (b *bench) env(more ...string) []string {
	under := func(dir string) string { return filepath.Join(b.peers, dir) }
	libraries, _ := filepath.Glob(under("usr/lib/*-linux-gnu"))
	return append(os.Environ(), append([]string{
		"PATH=" + under("usr/bin") + ":" + under("bin") + ":" + under("usr/sbin") + ":" + os.Getenv("PATH"),
		"LD_LIBRARY_PATH=" + strings.Join(append(libraries, os.Getenv("LD_LIBRARY_PATH")), ":"),
		"PYTHONPATH=" + under("usr/lib/python3/dist-packages"),
		"PYTHONPYCACHEPREFIX=" + filepath.Join(b.dir, "pycache"),
		"TMPDIR=" + b.dir,
	}, more...)...)
}

// workDir makes a directory for a peer.
func (b *bench) workDir(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	return dir, nil
}
