package engine

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/testutil/elftest"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/image"
	"github.com/ldlab/ldlab/kernels/kconfig"
	"github.com/ldlab/ldlab/scenarios"
)

// ko is a module with a signature if it is signed.
func ko(t *testing.T, name, depends string, signed bool) []byte {
	t.Helper()
	info := "name=" + name + "\x00depends=" + depends + "\x00vermagic=6.1.0-test SMP \x00"
	data := elftest.File{Machine: elf.EM_X86_64, Type: elf.ET_REL, Sections: []elftest.Section{{Name: ".modinfo", Data: []byte(info)}}}.Bytes()
	if signed {
		data = slices.Concat(data, []byte{1, 2}, []byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2}, []byte("~Module signature appended~\n"))
	}
	return data
}

// readyKernel is an image with a configuration and modules.
func readyKernel(t *testing.T, config string, files map[string][]byte) *kernel {
	t.Helper()
	parsed, err := kconfig.Parse([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	i := image.Image{Path: "vmlinuz", Arch: arch.Get("x86_64"), Config: parsed, Release: "6.1.0-test", Vermagic: "6.1.0-test SMP "}
	if files != nil {
		i.Modules = t.TempDir()
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(i.Modules, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return &kernel{build: plan.Build{Kernel: kernels.Kernel{Name: "debian:6.1"}, Arch: i.Arch}, built: kernels.OfImage(i)}
}

func TestModulesOfReadyKernel(t *testing.T) {
	s := &Stage{plan: &plan.Plan{Probes: []string{"msr/write", "kexec/load"}}}
	tree := map[string][]byte{
		"virtio_console.ko": ko(t, "virtio_console", "virtio", true), "virtio.ko": ko(t, "virtio", "", true),
		"msr.ko": ko(t, "msr", "", true), "xfrm_user.ko": ko(t, "xfrm_user", "", true), "crc7.ko": ko(t, "crc7", "", true),
	}
	l, err := s.modules(t.Context(), readyKernel(t, "CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=m\nCONFIG_X86_MSR=m\nCONFIG_XFRM_USER=m\n", tree))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range l.files {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{
		"/ldlab-modules/000-virtio.ko", "/ldlab-modules/001-virtio_console.ko", "/ldlab-modules/002-msr.ko",
		scenarios.ModuleSigned, scenarios.ModuleUnsigned, scenarios.ModuleWrongKey,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the guest has %q, want %q", got, want)
	}
	if !l.symbols["CONFIG_X86_MSR"] || l.symbols["CONFIG_XFRM_USER"] {
		t.Errorf("symbols %v", l.symbols)
	}
	if plain := l.files[scenarios.ModuleUnsigned]; !bytes.Equal(plain, ko(t, "crc7", "", false)) || bytes.Equal(plain, l.files[scenarios.ModuleWrongKey]) {
		t.Error("the unsigned module is not the distribution's without its signature")
	}
}

// The lab reports what cannot work before a guest boots.
func TestModulesThatCannotWork(t *testing.T) {
	const need = "CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=m\n"
	flags := bytes.Replace(ko(t, "virtio_console", "", true), []byte("-test SMP "), []byte("-test UP  "), 1)
	foreign := ko(t, "virtio_console", "", true)
	foreign[18] = byte(elf.EM_AARCH64)
	other := bytes.Replace(ko(t, "virtio_console", "", true), []byte("6.1.0-test"), []byte("6.1.0-Test"), 1)
	for name, tt := range map[string]struct {
		config string
		files  map[string][]byte
		want   string
	}{
		"no modules":     {need, nil, "kernel debian:6.1: CONFIG_VIRTIO_CONSOLE=m and no modules given"},
		"switched off":   {"CONFIG_VIRTIO_PCI=y\n", nil, "CONFIG_VIRTIO_CONSOLE is off"},
		"lacks it":       {need, map[string][]byte{"x.ko": ko(t, "x", "", true)}, "has no module virtio_console"},
		"of another":     {need, map[string][]byte{"virtio_console.ko": other}, "its modules are those of 6.1.0-Test"},
		"other options":  {need, map[string][]byte{"virtio_console.ko": flags}, `wants modules for "6.1.0-test SMP", and its module virtio_console is for "6.1.0-test UP": give the modules of that kernel (`},
		"other machine":  {need, map[string][]byte{"virtio_console.ko": foreign}, "is for x86_64, and its module virtio_console is for arm64: give the modules of that kernel ("},
		"empty":          {need, map[string][]byte{}, "has no module"},
		"all built in":   {need, map[string][]byte{"x.ko": ko(t, "x", "", true), "modules.builtin": []byte("kernel/virtio_console.ko\n")}, "has no module virtio_console"},
		"none needed":    {"CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=y\n", map[string][]byte{"virtio_console.ko": other}, "its modules are those of 6.1.0-Test"},
		"built in there": {need, map[string][]byte{"x.ko": bytes.Replace(ko(t, "x", "", true), []byte("6.1.0-test"), []byte("6.1.0-Test"), 1), "modules.builtin": []byte("kernel/virtio_console.ko\n")}, "its modules are those of 6.1.0-Test"},
		"built in, arm":  {need, map[string][]byte{"virtio_blk.ko": foreign, "modules.builtin": []byte("kernel/virtio_console.ko\n")}, "its module virtio_blk is for arm64"},
		"lacks its need": {need, map[string][]byte{"virtio_console.ko": ko(t, "virtio_console", "virtio", true)}, "virtio_console needs it"},
	} {
		s := &Stage{plan: &plan.Plan{Selection: plan.Selection{Image: "vmlinuz"}}}
		_, err := s.modules(t.Context(), readyKernel(t, tt.config, tt.files))
		if !errors.As(err, new(*kernels.InputError)) {
			t.Errorf("%s: %v is not blamed on what the user gave", name, err)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, tt.want)
		}
	}
}

// TestModulesOfThisMachine: what this machine lacks is no mistake in what the user gave; a
// package that is damaged is one.
func TestModulesOfThisMachine(t *testing.T) {
	deb := filepath.Join(t.TempDir(), "modules.deb")
	if err := os.WriteFile(deb, []byte("no package"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		unpacker, temp, want string
		blamed               bool
	}{
		"damaged":        {"echo 'dpkg-deb: error: no package' >&2; exit 2", "", "it is damaged", true},
		"full disk":      {"echo 'tar: x: Cannot write: No space left on device' >&2; exit 2", "", "No space left on device", false},
		"killed":         {"kill -9 $$", "", "killed", false},
		"missing":        {"", "", "install the Debian package dpkg", false},
		"no directories": {"exit 0", "none", "no such file", false},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if tt.unpacker != "" {
				if err := os.WriteFile(filepath.Join(bin, "dpkg-deb"), []byte("#!/bin/sh\n"+tt.unpacker+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin)
			if tt.temp != "" {
				t.Setenv("TMPDIR", filepath.Join(bin, tt.temp))
			}
			k := readyKernel(t, "CONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=y\n", map[string][]byte{})
			k.built.Modules = deb
			s := &Stage{plan: &plan.Plan{Selection: plan.Selection{Image: "vmlinuz"}}}
			_, err := s.modules(t.Context(), k)
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(*kernels.InputError)) != tt.blamed {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
