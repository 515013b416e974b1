package arch

import (
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
)

// heads are the first bytes of images, by their formats.
func heads() map[string][]byte {
	vmlinux := make([]byte, 64)
	copy(vmlinux, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(vmlinux[18:], uint16(elf.EM_X86_64))
	armELF := append([]byte(nil), vmlinux...)
	binary.LittleEndian.PutUint16(armELF[18:], 183)
	bz := make([]byte, HeadSize)
	copy(bz[0x202:], "HdrS")
	bz32 := append([]byte(nil), bz...)
	binary.LittleEndian.PutUint16(bz[0x206:], 0x20f)
	bz[0x236] = 1
	old := append([]byte(nil), bz...)
	old[0x206] = 0x0b // 2.11 has no xloadflags
	image := make([]byte, 64)
	copy(image[56:], "ARM\x64")
	return map[string][]byte{"vmlinux": vmlinux, "arm64 vmlinux": armELF, "bzImage": bz, "32-bit bzImage": bz32, "old bzImage": old, "cut bzImage": bz[:0x236], "Image": image, "empty": nil, "text": []byte("hello"),
		"gzip": append([]byte("\x1f\x8b"), make([]byte, 100)...), "cut vmlinux": vmlinux[:20], "cut Image": image[:58]}
}

func TestCheckImage(t *testing.T) {
	for _, tc := range []struct {
		arch, head string
		want       string // "": accepted
	}{
		{"x86_64", "vmlinux", ""}, {"x86_64", "bzImage", ""}, {"arm64", "Image", ""},
		{"x86_64", "Image", "image is for arm64, not x86_64"},
		{"arm64", "vmlinux", "image is for x86_64, not arm64"},
		{"arm64", "bzImage", "image is for x86_64, not arm64"},
		{"x86_64", "arm64 vmlinux", "machine 183"},
		{"x86_64", "32-bit bzImage", "32-bit x86"}, {"x86_64", "old bzImage", "32-bit x86"}, {"x86_64", "cut bzImage", "neither"},
		{"x86_64", "empty", "neither"}, {"arm64", "empty", "not an arm64 Image"},
		{"x86_64", "text", "neither"}, {"x86_64", "gzip", "neither"}, {"arm64", "gzip", "not an arm64 Image"},
		{"x86_64", "cut vmlinux", "neither"}, {"arm64", "cut Image", "not an arm64 Image"},
	} {
		err := Get(tc.arch).CheckImage(heads()[tc.head])
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s as %s: %v, want %q", tc.head, tc.arch, err, tc.want)
		}
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range All() {
		for _, name := range []string{a.Name, a.GOARCH} {
			if Get(name) != a {
				t.Errorf("Get(%q) does not find %s", name, a.Name)
			}
		}
		if seen[a.Name] || seen[a.Image] {
			t.Errorf("%s is in the table twice", a.Name)
		}
		seen[a.Name], seen[a.Image] = true, true
		if OfELF(a.ELF) != a {
			t.Errorf("the machine %s of %s is in the table twice", a.ELF, a.Name)
		}
		if a.Scale < 1 || a.check == nil || len(a.Targets) == 0 {
			t.Errorf("%s is incomplete", a.Name)
		}
		if (len(a.Firmware) > 0) != (a.FirmwarePackage != "") || (len(a.Firmware) > 0) != (a.FindFirmware() != "") {
			t.Errorf("%s: firmware without a package, or a package without firmware", a.Name)
		}
	}
	if Get("riscv64") != nil || OfELF(elf.EM_RISCV) != nil {
		t.Error("Get finds an unknown architecture")
	}
}
