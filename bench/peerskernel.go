package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
)

// peersConfig is what the peers need beyond the lab's own configuration.
//
//go:embed peers.config
var peersConfig string

// A peersKernel is the one kernel that every peer boots, and the lab beside
// them: the lab's source without its series, and the lab's configuration with
// what the peers need.
type peersKernel struct {
	source  string // tree that nobody writes to
	bzImage string // what peers boot
	vmlinux string // the same kernel, as the lab boots it
	config  string
}

// ownKernel is the lab's kernel in its table: the one of the default plan.
const ownKernel = "bitmap"

// kernelTimeout is for a build without a compiler cache on a busy machine.
const kernelTimeout = time.Hour

// kernel gives the peers' kernel, built if it is not in the cache.
func (b *bench) kernel(ctx context.Context) (*peersKernel, error) {
	if b.peered != nil {
		return b.peered, nil
	}
	k, err := b.findKernel(ctx)
	if err != nil {
		return nil, fmt.Errorf("make peers' kernel: %w", err)
	}
	b.peered = k
	return k, nil
}

func (b *bench) findKernel(ctx context.Context) (*peersKernel, error) {
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	own, _ := t.Kernel(ownKernel)
	built, err := (&kernels.Builder{Cache: b.cache}).Build(ctx, kernels.Spec{Kernel: own, Arch: arch.Get("x86_64")})
	if err != nil {
		return nil, err
	}
	source, err := sourceTree(b.cache, built.Provenance.BaseVersion)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(built.Config)
	if err != nil {
		return nil, err
	}
	merged := string(config) + "\n" + plain(peersConfig)
	key := fmt.Sprintf("%.8x", sha256.Sum256([]byte(source+"\n"+merged)))
	dir := filepath.Join(b.cache, "bench", "kernel-"+key)
	k := &peersKernel{source, filepath.Join(dir, "bzImage"), filepath.Join(dir, "vmlinux"), filepath.Join(dir, "config")}
	if _, err := os.Stat(k.config); err == nil { // written last
		return k, nil
	}
	fmt.Fprintf(b.log, "  building the peers' kernel, once: minutes\n")
	return k, k.build(ctx, merged)
}

// plain is a fragment without its comments; a symbol that is =n becomes a line
// as kconfig writes it.
func plain(fragment string) string {
	var out strings.Builder
	for line := range strings.Lines(fragment) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if symbol, off := strings.CutSuffix(line, "=n"); off {
			line = "# " + symbol + " is not set"
		}
		if line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// sourceTree finds the pristine tree of a version in the lab's cache.
func sourceTree(cache, version string) (string, error) {
	trees, err := filepath.Glob(filepath.Join(cache, "sources", "*", version+"*", "tree"))
	if err != nil || len(trees) == 0 {
		return "", fmt.Errorf("find source of Linux %s in %s: none", version, cache)
	}
	return trees[len(trees)-1], nil // of two packages the later one
}

// build builds in a copy of the tree, because the lab's tree must not change.
// The build directory lies in the tree, as the lab's does: to the compiler's
// cache both are the same.
func (k *peersKernel) build(ctx context.Context, config string) error {
	work := filepath.Dir(k.config)
	tree := filepath.Join(work, "tree")
	if err := removeAll(filepath.Join(filepath.Dir(work), "kernel-*")); err != nil { // of other sources and configurations
		return err
	}
	defer os.RemoveAll(tree)
	if err := linkTree(k.source, tree); err != nil {
		return err
	}
	out := filepath.Join(tree, "build")
	if err := os.Mkdir(out, 0o755); err != nil {
		return err
	}
	file := filepath.Join(out, ".config")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return err
	}
	if err := makeKernel(ctx, tree, "olddefconfig"); err != nil {
		return err
	}
	got, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if lost := lostLines(string(got), plain(peersConfig)); len(lost) > 0 {
		return fmt.Errorf("configure: olddefconfig dropped %s", strings.Join(lost, ", "))
	}
	if err := makeKernel(ctx, tree, "bzImage"); err != nil {
		return err
	}
	strip := []string{"strip", "--strip-all", "-o", k.vmlinux, filepath.Join(out, "vmlinux")}
	if _, err := run(ctx, command{argv: strip, limit: buildTimeout}); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(out, "arch/x86/boot/bzImage"), k.bzImage); err != nil {
		return err
	}
	return os.Rename(file, k.config)
}

func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	for _, path := range paths {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// lostLines are those of a fragment that a configuration does not have.
func lostLines(config, fragment string) []string {
	have := map[string]bool{}
	for line := range strings.Lines(config) {
		have[strings.TrimSpace(line)] = true
	}
	var lost []string
	for line := range strings.Lines(fragment) {
		line = strings.TrimSpace(line)
		symbol, off := strings.CutSuffix(strings.TrimPrefix(line, "# "), " is not set")
		gone := off && !strings.Contains(config, symbol+"=") // kconfig does not write symbols whose dependencies are off
		if !have[line] && !gone {
			lost = append(lost, line)
		}
	}
	return lost
}

// makeKernel runs make as the lab does, with every processor.
func makeKernel(ctx context.Context, tree, target string) error {
	argv := []string{
		"make", "-C", tree, "O=build", "-j" + strconv.Itoa(runtime.NumCPU()), "ARCH=x86_64",
		"KBUILD_BUILD_TIMESTAMP=@0", "KBUILD_BUILD_USER=ldlab", "KBUILD_BUILD_HOST=ldlab", "KBUILD_BUILD_VERSION=1", "LOCALVERSION=",
		"CROSS_COMPILE=" + crossPrefix(),
	}
	if _, err := exec.LookPath("ccache"); err == nil {
		argv = append(argv, "CC=ccache "+crossPrefix()+"gcc", "HOSTCC=ccache gcc")
	}
	_, err := run(ctx, command{argv: append(argv, target), env: append(os.Environ(), "CCACHE_NOHASHDIR=1"), limit: kernelTimeout})
	return err
}

// crossPrefix is empty on a host that is x86_64 itself and has no cross
// compiler for it.
func crossPrefix() string {
	prefix := arch.Get("x86_64").CrossPrefix
	if _, err := exec.LookPath(prefix + "gcc"); err != nil && runtime.GOARCH == "amd64" {
		return ""
	}
	return prefix
}

// linkTree copies a tree by hard links: what is built in the copy goes beside
// the files, and changes none of them.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return os.Link(file, filepath.Join(to, rel))
	})
}
