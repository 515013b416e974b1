package kernels

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/image"
)

// bzImage is the header of an image for x86_64 that says its release.
func bzImage(release string) string {
	data := make([]byte, 1024)
	data[0x1f1] = 1
	copy(data[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(data[0x206:], 0x20f) // version of the boot protocol
	data[0x236] = 1                                    // 64 bits
	binary.LittleEndian.PutUint16(data[0x20e:], 0x100)
	copy(data[0x300:], release+" (builder) #1\x00")
	return string(data)
}

// oldKernel and newKernel are packages as Debian's layout was before Linux 6.19 and
// as it is since 7.2.
func (m *mirror) oldKernel(release, version string) string {
	return m.pack("linux-image-"+release, version, "amd64", map[string]string{
		"boot/vmlinuz-" + release:                              bzImage(release),
		"boot/config-" + release:                               "CONFIG_VIRTIO_CONSOLE=m\n",
		"lib/modules/" + release + "/kernel/drivers/char/x.ko": "x",
		"usr/share/doc/linux-image-" + release + "/changelog":  "text",
	})
}

func (m *mirror) newKernel(release, version string) string {
	dir := "usr/lib/modules/" + release
	return m.pack("linux-image-"+release, version, "amd64", map[string]string{"usr/share/doc/x": "meta"}) +
		m.pack("linux-binary-"+release, version, "amd64", map[string]string{dir + "/vmlinuz": bzImage(release)}) +
		m.pack("linux-modules-"+release, version, "amd64", map[string]string{dir + "/kernel/x.ko": "x"}) +
		m.pack("linux-base-"+release, version, "amd64", map[string]string{dir + "/config": "CONFIG_VIRTIO_CONSOLE=y\n", dir + "/modules.builtin": "kernel/y.ko\n"})
}

func readySpec(t *testing.T, name string) Spec {
	t.Helper()
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	k, ok := tables.Kernel(name)
	if !ok {
		t.Fatalf("there is no kernel %s", name)
	}
	return Spec{Kernel: k, Arch: arch.Get("x86_64")}
}

func TestReady(t *testing.T) {
	m := newMirror(t)
	old := m.oldKernel("6.12.9+deb12-cloud-amd64", "6.12.9-1~deb12u1") +
		m.oldKernel("6.12.10+deb12-cloud-amd64", "6.12.10-1~deb12u1") +
		m.oldKernel("6.12.11+deb12-amd64", "6.12.11-1~deb12u1") +
		m.pack("linux-image-6.12.99+deb12-cloud-amd64-unsigned", "6.12.99-1", "amd64", nil) +
		m.pack("linux-image-6.12.99+deb12-cloud-amd64-dbg", "6.12.99-1", "amd64", nil)
	m.suite("oldstable", old, "")
	m.suite("unstable", m.newKernel("7.2.13+deb14-cloud-amd64", "7.2.13-1"), "")
	m.suite("experimental", m.newKernel("7.3-rc7-cloud-amd64", "7.3~rc7-1~exp1")+m.newKernel("7.3-cloud-amd64", "7.3-1~exp1"), "")
	cache := t.TempDir()
	for _, tt := range []struct{ name, release, version, module string }{
		{"debian:6.12-cloud", "6.12.10+deb12-cloud-amd64", "6.12.10", "kernel/drivers/char/x.ko"},
		{"debian:6.12", "6.12.11+deb12-amd64", "6.12.11", "kernel/drivers/char/x.ko"},
		{"debian:6.12-generic", "6.12.11+deb12-amd64", "6.12.11", "kernel/drivers/char/x.ko"},
		{"debian:7.3-cloud", "7.3-cloud-amd64", "7.3", "kernel/x.ko"},
		{"debian:sid-cloud", "7.2.13+deb14-cloud-amd64", "7.2.13", "modules.builtin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &Builder{Cache: cache}
			spec := readySpec(t, tt.name)
			built, err := b.Build(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			p := built.Provenance
			if built.Release != tt.release || p.BaseVersion != tt.version || !built.Ready || len(p.BaseSHA256) != 64 || !strings.Contains(p.BaseDetail, tt.release+" ") {
				t.Errorf("release %q, %+v", built.Release, p)
			}
			if _, err := os.Stat(filepath.Join(built.Modules, tt.module)); err != nil {
				t.Error(err)
			}
			if _, known := built.ConfigValue("CONFIG_VIRTIO_CONSOLE"); !known {
				t.Error("its configuration is not known")
			}
			m.requests()
			again, ok, err := b.Lookup(t.Context(), spec)
			if err != nil || !ok || again.Image != built.Image || m.requests() != 0 {
				t.Errorf("look-up: %v, %v, or there were requests", ok, err)
			}
			id, err := b.Identify(t.Context(), spec)
			if err != nil || id.Version != tt.version || id.SHA256 != p.BaseSHA256 {
				t.Errorf("%v: %+v", err, id)
			}
		})
	}
}

// The newest version that the mirror has is taken, and one that it lacks is passed
// over with a line.
func TestReadyNotServed(t *testing.T) {
	m := newMirror(t)
	m.suite("oldstable", m.oldKernel("6.1.0-50-amd64", "6.1.176-1")+m.oldKernel("6.1.0-49-amd64", "6.1.170-1"), "")
	if err := os.Remove(filepath.Join(m.root, "debian/pool/main/l/linux/linux-image-6.1.0-50-amd64_6.1.176-1_amd64.deb")); err != nil {
		t.Fatal(err)
	}
	b := &Builder{Cache: t.TempDir()}
	told := notes(b)
	built, err := b.Build(t.Context(), readySpec(t, "debian:6.1"))
	if err != nil || built.Provenance.BaseVersion != "6.1.170" {
		t.Fatalf("%v: %+v", err, built.Provenance)
	}
	if want := "the mirror lists the kernel 6.1 6.1.176-1 and does not have it: trying 6.1.170-1"; !slices.Contains(*told, want) {
		t.Errorf("notes %q, want %q", *told, want)
	}
}

// Each is one line, and leaves nothing half in the cache.
func TestReadyFails(t *testing.T) {
	m := newMirror(t)
	truncated := m.oldKernel("6.5.1-amd64", "6.5.1-1")
	file := filepath.Join(m.root, "debian/pool/main/l/linux/linux-image-6.5.1-amd64_6.5.1-1_amd64.deb")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	m.suite("oldstable", truncated+m.pack("linux-image-6.6.1-amd64", "6.6.1-1", "amd64", map[string]string{"boot/vmlinuz-6.6.1-amd64": "text"})+
		m.pack("linux-image-6.7.1-amd64", "6.7.1-1", "amd64", map[string]string{
			"boot/vmlinuz-6.7.1-amd64": "text", "boot/config-6.7.1-amd64": "", "lib/modules/6.7.1-amd64/kernel/x.ko": "x",
		}), "")
	for name, want := range map[string]string{
		"debian:6.4":    "no suite of the machine's Debian mirror has a package of such a kernel for amd64; it has 6.7, 6.6, 6.5",
		"debian:6.5-rt": "no suite of the machine's Debian mirror has a package of such a kernel for amd64",
		"debian:6.5":    "fetch debian:6.5",
		"debian:6.6":    "the packages have 0 of boot/config-*",
		"debian:6.7":    "it is no kernel image that the lab knows",
	} {
		cache := t.TempDir()
		b := &Builder{Cache: cache}
		_, err := b.Build(t.Context(), readySpec(t, name))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "kernel "+name) {
			t.Errorf("%s: error %v, want one line with %q", name, err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(cache, "sources", "*", "new")); len(left) > 0 {
			t.Errorf("%s left %q", name, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Builder{Cache: t.TempDir()}).Build(ctx, readySpec(t, "debian:6.1")); err == nil {
		t.Error("a fetch went on after its context had ended")
	}
}

func TestReadyNames(t *testing.T) {
	tables, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"debian:", "debian:6", "debian:6.12-desktop", "debian:sid-", "debian:../x", "debian:6.12@b"} {
		if k, ok := tables.Kernel(name); ok {
			t.Errorf("%s is taken for %+v", name, k)
		}
	}
}

// TestIdentifyImage: an image with other modules, or another configuration, is another
// kernel.
func TestIdentifyImage(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range []image.Image{{}, {SHA256: "1"}, {ConfigSHA256: "1"}, {SitesSHA256: "1"}, {ModulesSHA256: "1"}, {ModulesSHA256: "2"}} {
		i.Arch = arch.All()[0]
		id := fmt.Sprintf("%+v", IdentifyImage("image", i))
		if seen[id] {
			t.Errorf("%+v is that of another image", id)
		}
		seen[id] = true
	}
}
