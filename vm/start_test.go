package vm

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
)

// The tests of this file need no QEMU: a shell script plays it.

// fakeConfig is a machine whose QEMU is that shell script, with files that
// look like a kernel and an initrd.
func fakeConfig(t *testing.T, script string) Config {
	t.Helper()
	dir := t.TempDir()
	vmlinux := make([]byte, 64)
	copy(vmlinux, "\x7fELF")
	binary.LittleEndian.PutUint16(vmlinux[18:], 62)
	files := map[string][]byte{
		"vmlinux": vmlinux, "initrd": []byte("070701"), "empty": nil, "Image": append(make([]byte, 56), "ARM\x64    "...),
		"qemu": []byte("#!/bin/sh\n" + script + "\n"),
	}
	for name, content := range files {
		testutil.WriteProgram(t, filepath.Join(dir, name), content)
	}
	return Config{
		Arch:   arch.Get("x86_64"),
		Kernel: filepath.Join(dir, "vmlinux"),
		Initrd: filepath.Join(dir, "initrd"),
		QEMU:   filepath.Join(dir, "qemu"),
		Dir:    filepath.Join(dir, "machines"),
	}
}

// truncate gives a file another size in bytes.
func truncate(t *testing.T, file string, size int64) {
	t.Helper()
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
}

func TestStartErrors(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		change       func(*Config)
		want         string
		qemu         bool // a QEMUError
	}{
		{name: "QEMU complains", script: "echo bad machine >&2; exit 1", want: "exit status 1: bad machine", qemu: true},
		{name: "QEMU crashes", script: "kill -SEGV $$", want: "signal: segmentation fault", qemu: true},
		{name: "QEMU prints nothing", script: "exit 0", want: "exit status 0", qemu: true},
		{name: "QEMU hangs", script: `echo >"${0%/*}/hangs"; exec sleep 1000`, want: "context canceled"},
		{name: "no QEMU", change: func(c *Config) { c.QEMU = "no-such-qemu" }, want: "find QEMU (Debian package qemu-system-x86): "},
		{name: "no kernel", change: func(c *Config) { c.Kernel += "x" }, want: "open kernel: "},
		{name: "kernel is a directory", change: func(c *Config) { c.Kernel = filepath.Dir(c.Kernel) }, want: "read kernel: "},
		{name: "other kernel", change: func(c *Config) { c.Kernel = filepath.Join(filepath.Dir(c.Kernel), "Image") }, want: "image is for arm64, not x86_64"},
		{name: "empty kernel", change: func(c *Config) { c.Kernel = filepath.Join(filepath.Dir(c.Kernel), "empty") }, want: "neither an ELF vmlinux nor a bzImage"},
		{name: "no firmware", change: func(c *Config) { c.Devices = []Device{Firmware{c.Kernel + "x"}} }, want: "find firmware (Debian package "},
		{name: "firmware without a path", change: func(c *Config) { c.Devices = []Device{Firmware{}} }, want: "device without its file"},
		{name: "large initrd", change: func(c *Config) { c.MemoryMiB = 16; truncate(t, c.Initrd, 8<<20) }, want: "takes 0 MiB and the initrd twice its 8 MiB, and the machine has 16 MiB"},
		{name: "empty initrd", change: func(c *Config) { c.Initrd = filepath.Join(filepath.Dir(c.Initrd), "empty") }, want: "file is empty"},
		{name: "unwritable directory", change: func(c *Config) { c.Dir = c.Kernel }, want: "is not a directory but a file"},
		{name: "nothing set", change: func(c *Config) { *c = Config{} }, want: "no architecture"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := fakeConfig(t, tt.script)
			dir := filepath.Dir(c.QEMU)
			if tt.change != nil {
				tt.change(&c)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			whenHangs(t, dir, cancel)
			_, err := Start(ctx, c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if qemu := (*QEMUError)(nil); errors.As(err, &qemu) != tt.qemu {
				t.Errorf("a QEMUError %v, want %v: %v", !tt.qemu, tt.qemu, err)
			}
			if left, _ := os.ReadDir(c.Dir); c.Arch != nil && len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// whenHangs calls f when the script has written to dir/hangs.
func whenHangs(t *testing.T, dir string, f func()) {
	t.Helper()
	path := filepath.Join(dir, "hangs")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path, os.O_RDWR, 0) // does not wait for a writer
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		if n, _ := fifo.Read(make([]byte, 1)); n > 0 {
			f()
		}
	}()
	t.Cleanup(func() {
		fifo.Close()
		<-read
	})
}

func TestChoiceCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "kvm.json")
	if _, ok := cachedTrouble(path, "k"); ok {
		t.Error("a verdict out of nothing")
	}
	for _, trouble := range []string{"", "no good"} {
		if err := storeTrouble(path, verdict{"k", trouble}); err != nil {
			t.Fatal(err)
		}
		if got, ok := cachedTrouble(path, "k"); !ok || got != trouble {
			t.Errorf("got %q, %v, want %q", got, ok, trouble)
		}
		if _, ok := cachedTrouble(path, "another boot"); ok {
			t.Error("a verdict for another key")
		}
	}
	if err := os.WriteFile(path, []byte(`{"Key": "k", "Tro`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := cachedTrouble(path, "k"); ok {
		t.Error("a verdict out of half a file")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".kvm-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := storeTrouble(filepath.Join(path, "x"), verdict{}); err == nil {
		t.Error("no error for an unwritable cache")
	}
}

// TestChoiceUncached: a cache that cannot be written costs time, and nothing
// else.
func TestChoiceUncached(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(file, "kvm.json") // below a file
	for range 2 {
		tried := 0
		c, err := cachedChoice(cache, "k", func() (string, error) { tried++; return "no", nil })
		if err != nil || c.Accel != TCG || c.CacheErr == nil || tried != 1 {
			t.Errorf("got %+v, %v, tried %d times", c, err, tried)
		}
	}
	failed := errors.New("failed")
	if c, err := cachedChoice(cache, "k", func() (string, error) { return "", failed }); err != failed || c.Accel != "" {
		t.Errorf("got %+v, %v", c, err)
	}
	cache = filepath.Join(t.TempDir(), "kvm.json")
	for _, want := range []int{1, 0} {
		tried := 0
		c, err := cachedChoice(cache, "k", func() (string, error) { tried++; return "", nil })
		if err != nil || c.Accel != KVM || c.CacheErr != nil || tried != want {
			t.Errorf("got %+v, %v, tried %d times, want %d", c, err, tried, want)
		}
	}
}

func TestChoose(t *testing.T) {
	if c := choose(""); c.Accel != KVM || !strings.HasPrefix(c.Why, "KVM: ") {
		t.Errorf("%+v", c)
	}
	if c := choose("no"); c.Accel != TCG || c.Why != "TCG: no" {
		t.Errorf("%+v", c)
	}
}
