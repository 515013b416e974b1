package modules

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/testutil/elftest"
)

// ko is a module that depends on others.
func ko(t *testing.T, name string, depends ...string) []byte {
	t.Helper()
	info := "license=GPL\x00name=" + name + "\x00depends=" + strings.Join(depends, ",") + "\x00vermagic=6.1.0-test SMP mod_unload \x00"
	return object(".modinfo", info)
}

// object is an ELF file that is not linked, with one section.
func object(section, data string) []byte {
	return elftest.File{Machine: elf.EM_X86_64, Type: elf.ET_REL, Sections: []elftest.Section{{Name: section, Data: []byte(data)}}}.Bytes()
}

// write writes a tree of modules, by their paths.
func write(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packed is data in each of the ways in which distributions compress modules.
func packed(t *testing.T, data []byte, how string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w interface {
		Write([]byte) (int, error)
		Close() error
	}
	var err error
	switch how {
	case "xz":
		w, err = xz.NewWriter(&b)
	case "gz":
		w = gzip.NewWriter(&b)
	case "zst":
		w, err = zstd.NewWriter(&b)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func names(list []Module) (names []string) {
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

func TestOrder(t *testing.T) {
	dir := write(t, map[string][]byte{
		"lib/modules/6.1/kernel/drivers/virtio/virtio_console.ko.xz": packed(t, ko(t, "virtio_console", "virtio", "virtio_ring"), "xz"),
		"lib/modules/6.1/kernel/drivers/virtio/virtio_ring.ko.gz":    packed(t, ko(t, "virtio_ring"), "gz"),
		"lib/modules/6.1/kernel/drivers/virtio/virtio.ko.zst":        packed(t, ko(t, "virtio", "virtio_ring", "in-image"), "zst"),
		"lib/modules/6.1/kernel/net/af-key.ko":                       ko(t, "af_key"),
		"lib/modules/6.1/modules.builtin":                            []byte("kernel/lib/in-image.ko\n"),
		"lib/modules/6.1/modules.order":                              []byte("kernel/net/af-key.ko\n"),
	})
	tree, err := Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	list, err := tree.Order("virtio-console", "af_key", "virtio", "in_image")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(list), []string{"virtio_ring", "virtio", "virtio_console", "af_key"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	if list[0].Release() != "6.1.0-test" || list[0].Signed {
		t.Errorf("%+v", list[0])
	}
	for name, want := range map[string][2]bool{"virtio": {true, true}, "in-image": {true, false}, "msr": {}} {
		if got := [2]bool{tree.Has(name), tree.HasFile(name)}; got != want {
			t.Errorf("Has(%s), HasFile(%s) = %v", name, name, got)
		}
	}
	if m, err := tree.Sample(); err != nil || m.Name != "af_key" {
		t.Errorf("sample %q, %v", m.Name, err)
	}
}

// TestLargeTree: a distribution's directory has some thousands of modules, of which
// only what is needed is read.
func TestLargeTree(t *testing.T) {
	files := map[string][]byte{"k/a.ko": ko(t, "a", "m5999"), "k/m5999.ko": ko(t, "m5999")}
	for i := range 5999 {
		files[fmt.Sprintf("k/%d/m%d.ko", i%100, i)] = []byte("no module")
	}
	tree, err := Read(t.Context(), write(t, files))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := tree.Order("a"); err != nil || !slices.Equal(names(list), []string{"m5999", "a"}) {
		t.Errorf("%q, %v", names(list), err)
	}
}

func TestBadTrees(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string][]byte
		load  string
		want  string
	}{
		"empty":     {map[string][]byte{"README": nil}, "", "has no module"},
		"twice":     {map[string][]byte{"a/x.ko": ko(t, "x"), "b/x.ko.xz": nil}, "", "has the module x twice"},
		"missing":   {map[string][]byte{"x.ko": ko(t, "x", "y")}, "x", "there is no such module"},
		"circle":    {map[string][]byte{"x.ko": ko(t, "x", "y"), "y.ko": ko(t, "y", "x")}, "x", "need each other"},
		"no ELF":    {map[string][]byte{"x.ko": []byte("x")}, "x", "it is no module"},
		"no xz":     {map[string][]byte{"x.ko.xz": ko(t, "x")}, "x", "read module x.ko.xz"},
		"short xz":  {map[string][]byte{"x.ko.xz": packed(t, ko(t, "x"), "xz")[:40]}, "x", "read module x.ko.xz"},
		"short zst": {map[string][]byte{"x.ko.zst": packed(t, ko(t, "x"), "zst")[:40]}, "x", "read module x.ko.zst"},
		"no info":   {map[string][]byte{"x.ko": object(".text", "x")}, "x", "no section .modinfo"},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := Read(t.Context(), write(t, tt.files))
			if err == nil && tt.load != "" {
				_, err = tree.Order(tt.load)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
	if _, err := Read(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there was read")
	}
}

// A signature is taken off as strip does it: what is left is the module as it was
// before it was signed.
func TestUnsigned(t *testing.T) {
	plain := ko(t, "x")
	signature := bytes.Repeat([]byte{7}, 300)
	trailer := append(make([]byte, 8), 0, 0, 1, 44)
	signed := slices.Concat(plain, signature, trailer, []byte(signatureMarker))
	m, err := Parse(signed)
	if err != nil || !m.Signed {
		t.Fatalf("%v, signed %v", err, m.Signed)
	}
	got, err := m.Unsigned()
	if err != nil || got.Signed || !bytes.Equal(got.Data, plain) {
		t.Errorf("%v: %d bytes, want %d", err, len(got.Data), len(plain))
	}
	m.Data = slices.Concat(plain, trailer[:8], []byte{255, 0, 0, 0}, []byte(signatureMarker))
	if _, err := m.Unsigned(); err == nil {
		t.Error("a signature that is longer than the file was taken off")
	}
	m.Data = []byte(signatureMarker)
	if _, err := m.Unsigned(); err == nil {
		t.Error("a truncated signature was taken off")
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	if got, err := unpackInto(t.Context(), dir, ""); err != nil || got != dir {
		t.Errorf("directory: %q, %v", got, err)
	}
	for name, want := range map[string]string{
		"none.deb": "no such file", "pipe.deb": "neither a directory nor a package", "bad.deb": "unpack", "bad.rpm": "unpack", "bad.zip": "neither a directory nor a package",
	} {
		file := filepath.Join(dir, name)
		err := os.WriteFile(file, []byte("text"), 0o644)
		switch name {
		case "none.deb":
			err = os.Remove(file)
		case "pipe.deb":
			err = errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(t.Context(), file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", name, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(object(".modinfo", "name=x\x00depends=y,z\x00"))
	f.Add([]byte(signatureMarker))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		if u, err := m.Unsigned(); err == nil && (u.Signed || !bytes.HasPrefix(data, u.Data)) {
			t.Errorf("taking the signature off changed the module")
		}
	})
}

// TestDigest: two trees have one digest only if they have the same modules.
func TestDigest(t *testing.T) {
	files := map[string][]byte{"a/x.ko": ko(t, "x"), "b/y.ko": ko(t, "y"), "modules.builtin": []byte("kernel/z.ko\n"), "modules.dep": nil}
	seen := map[string]string{}
	for _, change := range []struct {
		name, file string
		data       []byte
	}{
		{"none", "", nil}, {"content", "a/x.ko", ko(t, "x", "y")}, {"another", "c/z.ko", ko(t, "z")}, {"list", "modules.builtin", []byte("kernel/w.ko\n")},
	} {
		now := maps.Clone(files)
		if change.file != "" {
			now[change.file] = change.data
		}
		first, err := Digest(write(t, now))
		if err != nil {
			t.Fatal(err)
		}
		if other := seen[first]; other != "" {
			t.Errorf("%s has the digest of %s", change.name, other)
		}
		seen[first] = change.name
		now["modules.dep"] = []byte("of no account")
		if again, err := Digest(write(t, now)); err != nil || again != first {
			t.Errorf("%s: %s in another directory, %s before; %v", change.name, again, first, err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "x.deb")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{pipe, filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if sum, err := Digest(bad); err == nil || !strings.HasPrefix(err.Error(), "read modules: ") {
			t.Errorf("%s: %q, %v", bad, sum, err)
		}
	}
}
