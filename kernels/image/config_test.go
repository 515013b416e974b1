package image

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/arch"
)

// TestCheckConfig: the configuration of another kernel is refused, and that of a
// distribution's own, which differ in how they write the version, is not.
func TestCheckConfig(t *testing.T) {
	for _, tt := range []struct{ title, arch, release, want string }{
		{"# Linux/x86 6.12.117 Kernel Configuration", "x86_64", "6.12.117+deb12-cloud-amd64", ""},
		{"# Linux/x86_64 6.12.107 Kernel Configuration", "x86_64", "6.12.107", ""},
		{"# Linux/x86 6.1.192 Kernel Configuration", "x86_64", "6.1.0-56-cloud-amd64", ""},
		{"# Linux/arm64 6.13.0-rc2 Kernel Configuration", "arm64", "6.13.0-rc2+", ""},
		{"# Linux/x86 6.8.12 Kernel Configuration", "x86_64", "6.8.0-45-generic", ""},
		{"# Linux/x86 6.12.117 Kernel Configuration", "x86_64", "", ""},
		{"# another comment", "x86_64", "6.12.117", ""},
		{"# Linux/x86 6.1.192 Kernel Configuration", "x86_64", "6.12.117+deb12-cloud-amd64", "the image is 6.12.117+deb12-cloud-amd64: give"},
		{"# Linux/x86 6.12.90 Kernel Configuration", "x86_64", "6.12.117+deb12-cloud-amd64", `it is "Linux/x86 6.12.90 Kernel Configuration"`},
		{"# Linux/arm64 6.12.117 Kernel Configuration", "x86_64", "6.12.117+deb12-cloud-amd64", "the image is for x86_64: give"},
		{"# Linux/x86 6.12.117 Kernel Configuration", "arm64", "", "the image is for arm64: give"},
	} {
		text := "#\n# Automatically generated file; DO NOT EDIT.\n" + tt.title + "\n#\nCONFIG_X=y\n"
		err := checkConfig("config", []byte(text), arch.Get(tt.arch), tt.release)
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s for %s %s: %v, want %q", tt.title, tt.arch, tt.release, err, tt.want)
		}
	}
}

// TestConfigIn: an image with CONFIG_IKCONFIG=y has its configuration in it.
func TestConfigIn(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("CONFIG_VIRTIO_PCI=m\n")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	kernel := slices.Concat(smallELF(18), []byte("IKCFG_ST"), packed.Bytes(), []byte("IKCFG_ED"))
	file := filepath.Join(t.TempDir(), "vmlinux")
	write(t, file, string(kernel))
	i, err := Open(file, nil, "", "")
	if err != nil || i.Config.Get("CONFIG_VIRTIO_PCI") != "m" || len(i.ConfigSHA256) != 64 || i.ConfigPath != "" {
		t.Errorf("%v: configuration %v", err, i.Config)
	}
	for text, want := range map[string]string{"# a comment\nCONFIG_VIRTIO_PCI=m\n": "", "CONFIG_VIRTIO_PCI=y\n": "the image has its own configuration"} {
		given := filepath.Join(t.TempDir(), "config")
		write(t, given, text)
		if _, err := Open(file, nil, given, ""); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("with the configuration %q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"", "IKCFG_ST\x1f\x8b", "IKCFG_ST\x1f\x8bnoneIKCFG_ED"} {
		if got := configIn([]byte(text)); got != nil {
			t.Errorf("%q has the configuration %q", text, got)
		}
	}
}

// TestNoFiles: a pipe, on which nobody writes, and a device without an end are not read.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	image, pipe := filepath.Join(dir, "vmlinux"), filepath.Join(dir, "pipe")
	write(t, image, string(smallELF(18)))
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{pipe, "/dev/zero", dir} {
		for _, files := range [][3]string{{bad, "", ""}, {image, bad, ""}, {image, "", bad}} {
			if _, err := Open(files[0], nil, files[1], files[2]); err == nil || !strings.Contains(err.Error(), bad+" is no regular file") {
				t.Errorf("%q: %v", files, err)
			}
		}
	}
	big := filepath.Join(dir, "big")
	write(t, big, strings.Repeat("#\n", 4<<20)+"CONFIG_X=y\n")
	if _, err := Open(image, nil, big, ""); err == nil || !strings.Contains(err.Error(), "has more than 8 MiB") {
		t.Errorf("a configuration without a limit: %v", err)
	}
}

// TestProgram: a program is no vmlinux.
func TestProgram(t *testing.T) {
	program := smallELF(18)
	program[64] = byte(elf.PT_DYNAMIC) // type of its segment
	file := filepath.Join(t.TempDir(), "ls")
	write(t, file, string(program))
	if _, err := Open(file, nil, "", ""); err == nil || !strings.Contains(err.Error(), "it is a program or a library") {
		t.Errorf("%v", err)
	}
}
