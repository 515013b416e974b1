package fleet

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
)

// fakePacked are the kernels of a plan, whose files have a line each. Kernels of an
// architecture share their root file system.
func fakePacked(t testing.TB, p *plan.Plan) (list []engine.Packed) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, b := range p.Builds {
		list = append(list, engine.Packed{Kernel: b.Kernel, Arch: b.Arch.Name, Identity: b.Identity,
			Record: matrix.Kernel{Name: b.Kernel.Name, Arch: b.Arch.Name, Origin: fakeOrigin(b.Kernel.Name, b.Arch.Name)},
			Files: engine.PackedFiles{Image: file("image " + b.Kernel.Name + b.Arch.Name), Initramfs: file("initramfs " + b.Arch.Name),
				Tables: file("tables"), Firmware: filepath.Join(dir, "not installed")}})
	}
	return list
}

// staticProgram is a program that needs no other file, as far as Pack looks.
func staticProgram(t testing.TB) string {
	t.Helper()
	head := make([]byte, 64) // an ELF header without segments
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18], head[20], head[52], head[54], head[58] = 2, 62, 1, 64, 56, 64
	path := filepath.Join(t.TempDir(), "ldlab")
	if err := os.WriteFile(path, head, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// dynamicProgram is the same with one segment, which names an interpreter.
func dynamicProgram(t testing.TB) string {
	t.Helper()
	path := staticProgram(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[32], text[56] = 64, 1 // where the headers of the segments begin, and their number
	segment := make([]byte, 56)
	segment[0] = byte(elf.PT_INTERP)
	if err := os.WriteFile(path, append(text, segment...), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPack: what is packed is unpacked on another machine, and its plan is the same.
func TestPack(t *testing.T) {
	p := mustPlan(t, two)
	f := mustFile(t, p)
	packed, program := fakePacked(t, p), staticProgram(t)
	out := filepath.Join(t.TempDir(), "bundle")
	pack := func() []byte {
		t.Helper()
		size, err := Pack(out, f, packed, program)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil || int64(len(text)) != size {
			t.Fatalf("%d bytes, and not %d: %v", len(text), size, err)
		}
		return text
	}
	if !bytes.Equal(pack(), pack()) {
		t.Error("packed twice, the bytes differ")
	}
	t.Setenv("LDLAB_CACHE", t.TempDir())
	t.Setenv("PATH", "") // nothing is built or looked up
	got, err := Unpack(t.Context(), out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.File, f) {
		t.Error("another plan came out")
	}
	whole := got.Plan()
	if err := got.File.Check(whole); err != nil {
		t.Error(err)
	}
	if part := f.Part(whole, Shard{2, 3}); len(part.Guests) == 0 || part.Digest() != f.Part(p, Shard{2, 3}).Digest() {
		t.Error("a shard of the bundle is not that of the plan")
	}
	files := map[string]bool{}
	for i, k := range got.Kernels {
		if k.Files.Firmware != "" {
			t.Errorf("firmware %q", k.Files.Firmware)
		}
		for _, file := range []struct{ got, want string }{{k.Files.Image, packed[i].Files.Image}, {k.Files.Initramfs, packed[i].Files.Initramfs}} {
			files[file.got] = true
			text, err := os.ReadFile(file.got)
			if want, _ := os.ReadFile(file.want); err != nil || !bytes.Equal(text, want) {
				t.Errorf("%s has %q, %v", file.got, text, err)
			}
		}
		k.Files, packed[i].Files = engine.PackedFiles{}, engine.PackedFiles{}
		if !reflect.DeepEqual(k, packed[i]) {
			t.Errorf("kernel %d:\n got %+v\nwant %+v", i, k, packed[i])
		}
	}
	if len(files) != 6 {
		t.Errorf("%d files for 4 images and 2 root file systems", len(files))
	}
}

func TestPackRefuses(t *testing.T) {
	p := mustPlan(t, two)
	out := filepath.Join(t.TempDir(), "bundle")
	if _, err := Pack(out, mustFile(t, p), fakePacked(t, p), "/proc/cpuinfo"); err == nil {
		t.Error("a program that is none: no error")
	}
	if _, err := Pack(out, mustFile(t, p), fakePacked(t, p), dynamicProgram(t)); err == nil || !strings.Contains(err.Error(), "is not static") {
		t.Errorf("a program that needs an interpreter: %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a bundle was written")
	}
}

// TestUnpackRefuses: a bundle that names files outside of it, or that is none.
func TestUnpackRefuses(t *testing.T) {
	t.Setenv("LDLAB_CACHE", t.TempDir())
	if _, err := Unpack(t.Context(), staticProgram(t), nil); err == nil || !strings.Contains(err.Error(), "not a bundle") {
		t.Errorf("a program: %v", err)
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		`[{"Arch":"x86_64","Files":{"Image":"../../etc/passwd"}}]`: "bad file",
		`[{"Arch":"vax"}]`:                       "unknown architecture",
		`[{"Arch":"x86_64","Command":"reboot"}]`: "unknown field",
	} {
		if err := os.WriteFile(filepath.Join(dir, kernelsMember), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readKernels(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
