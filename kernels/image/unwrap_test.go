package image

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil/imagetest"
	"github.com/ldlab/ldlab/internal/testutil/packtest"
	"github.com/ldlab/ldlab/kernels/internal/host"
	"github.com/ldlab/ldlab/kernels/internal/payload"
	"github.com/ldlab/ldlab/kernels/internal/unpack"
)

// kernelFor is a small whole kernel image of an architecture.
func kernelFor(t testing.TB, name string) []byte {
	t.Helper()
	data := payload.Unsigned(arch.Get(name))
	if data == nil {
		t.Fatalf("no image for %s", name)
	}
	return data
}

func contentOf(data []byte) content { return content{bytes.NewReader(data), int64(len(data)), nil} }

// TestUnwrap: the kernel is the same in each of its wrappers, and a result says what
// these were and has the digest of the file.
func TestUnwrap(t *testing.T) {
	image, bz := kernelFor(t, "arm64"), kernelFor(t, "x86_64")
	zboot := func(name, format string) []byte {
		return imagetest.Zboot(imagetest.ARM64, name, packtest.Pack(t, format, image))
	}
	for name, tt := range map[string]struct {
		data []byte
		arch string
		how  string
	}{
		"zboot gzip":       {zboot("gzip", "gzip"), "arm64", "EFI zboot image (gzip)"},
		"zboot zstd":       {zboot("zstd", "zstd"), "arm64", "EFI zboot image (zstd)"},
		"zboot zstd, 6.1":  {zboot("zstd22", "zstd"), "arm64", "EFI zboot image (zstd22)"},
		"zboot xz":         {zboot("xzkern", "xz"), "arm64", "EFI zboot image (xzkern)"},
		"zboot lzma":       {zboot("lzma", "lzma"), "arm64", "EFI zboot image (lzma)"},
		"zboot lz4":        {zboot("lz4", "lz4-legacy"), "arm64", "EFI zboot image (lz4)"},
		"Image.gz":         {packtest.Pack(t, "gzip", image), "arm64", "gzip"},
		"Image.zst":        {packtest.Pack(t, "zstd", image), "arm64", "zstd"},
		"Image.xz":         {packtest.Pack(t, "xz", image), "arm64", "xz"},
		"Image.lz4":        {packtest.Pack(t, "lz4-legacy", image), "arm64", "lz4"},
		"Image.lzma":       {packtest.Pack(t, "lzma", image), "arm64", "lzma"},
		"bzImage.gz":       {packtest.Pack(t, "gzip", bz), "x86_64", "gzip"},
		"UKI":              {imagetest.UKI(imagetest.X86_64, bz, ""), "x86_64", "UKI (its section .linux)"},
		"UKI arguments":    {imagetest.UKI(imagetest.X86_64, bz, "lockdown=integrity\n\x00"), "x86_64", `UKI (its section .linux; not used: its kernel arguments "lockdown=integrity")`},
		"UKI of an Image":  {imagetest.UKI(imagetest.ARM64, image, ""), "arm64", "UKI (its section .linux)"},
		"UKI of a zboot":   {imagetest.UKI(imagetest.ARM64, zboot("gzip", "gzip"), ""), "arm64", "UKI (its section .linux), in that EFI zboot image (gzip)"},
		"UKI.zst of zboot": {packtest.Pack(t, "zstd", imagetest.UKI(imagetest.ARM64, zboot("zstd", "zstd"), "")), "arm64", "zstd, in that UKI (its section .linux), in that EFI zboot image (zstd)"},
		"bzImage":          {bz, "x86_64", ""},
		"bzImage, signed":  {append(bytes.Clone(bz), make([]byte, 1500)...), "x86_64", ""},
		"Image":            {image, "arm64", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "image")
			write(t, file, string(tt.data))
			i, err := Open(file, nil, "", "")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]byte{"arm64": image, "x86_64": bz}[tt.arch]
			if tt.how == "" {
				want = nil
			}
			if i.Arch.Name != tt.arch || i.Unwrapped != tt.how || !bytes.Equal(i.Kernel, want) {
				t.Errorf("%s, %q, %d bytes, want %s, %q, %d bytes", i.Arch.Name, i.Unwrapped, len(i.Kernel), tt.arch, tt.how, len(want))
			}
			sum, err := sumOf(file)
			if err != nil || i.SHA256 != sum || i.Path != file {
				t.Errorf("%v: its digest is not that of the file", err)
			}
			for _, a := range arch.All() {
				if _, err := Open(file, a, "", ""); (err == nil) != (a.Name == tt.arch) || err != nil && !strings.Contains(err.Error(), "image is for "+tt.arch+", not "+a.Name) {
					t.Errorf("as %s: %v", a.Name, err)
				}
			}
		})
	}
}

// bzip2Image is "MZ", 54 bytes, and arm64's magic, from bzip2: no library writes it.
const bzip2Image = "425a6839314159265359f9798666000005cf0040001000200210100400200021281b508601700db6278bb9229c28487cbcc33300"

// TestUnwrapFails: each is one line that tells why and what would do.
func TestUnwrapFails(t *testing.T) {
	image, bz := kernelFor(t, "arm64"), kernelFor(t, "x86_64")
	gz := packtest.Pack(t, "gzip", image)
	zboot := imagetest.Zboot(imagetest.ARM64, "gzip", gz)
	uki := imagetest.UKI(imagetest.X86_64, bz, "quiet")
	deep := image
	for range maxWrappers + 1 {
		deep = packtest.Pack(t, "gzip", deep)
	}
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"zboot, cut":            {zboot[:len(zboot)-600], "it is a truncated EFI zboot image"},
		"zboot of another":      {imagetest.Zboot(imagetest.ARM64, "gzip", gz[:len(gz)-30]), "it is an EFI zboot image, and its kernel cannot be unpacked: unpack gzip: it is truncated"},
		"zboot, wrong name":     {imagetest.Zboot(imagetest.ARM64, "zstd", gz), "its kernel cannot be unpacked: unpack zstd: "},
		"zboot, unknown":        {imagetest.Zboot(imagetest.ARM64, "brotli\x1b[2J", gz), `unknown compression "brotli\x1b[2J": give the Image of the same build`},
		"zboot, LZO":            {imagetest.Zboot(imagetest.ARM64, "lzo", gz), "lzop is not supported: give the Image of the same build"},
		"zboot for riscv64":     {imagetest.Zboot(imagetest.RISCV, "gzip", packtest.Pack(t, "gzip", append(make([]byte, 56), "RSC\x05"...))), "in its EFI zboot image (gzip): it is a kernel for riscv64"},
		"UKI, cut":              {uki[:len(uki)-2048], "it is a truncated UKI"},
		"UKI of nothing":        {imagetest.UKI(imagetest.X86_64, []byte("nothing"), ""), "in its UKI (its section .linux): it is no kernel image that the lab knows"},
		"UKI, kernel cut":       {imagetest.UKI(imagetest.X86_64, bz[:len(bz)-1], ""), "in its UKI (its section .linux): it is truncated: 5119 bytes"},
		"UKI of a cut zboot":    {imagetest.UKI(imagetest.ARM64, zboot[:len(zboot)-600], ""), "in its UKI (its section .linux): it is a truncated EFI zboot image"},
		"EFI program":           {imagetest.PE(imagetest.X86_64, imagetest.Section{Name: ".text"}), "it is an EFI program for x86_64 without a kernel in it"},
		"Image.gz, cut":         {gz[:len(gz)-10], "it is compressed: unpack gzip: it is truncated"},
		"Image.lzo":             {[]byte("\x89LZO\x00\r\n\x1a\n..."), "it is compressed: not supported here: lzop -d unpacks it"},
		"initrd.gz":             {packtest.Pack(t, "gzip", []byte("070701000")), "in its gzip: it is an initrd (cpio): give the kernel that is beside it"},
		"too many":              {deep, "it is wrapped in more than 4 ways"},
		"package":               {[]byte("!<arch>\ndebian-binary   1"), "it is a Debian package: unpack it with dpkg-deb -x"},
		"script":                {[]byte("#!/bin/sh\n"), "it is a script"},
		"empty":                 {nil, "it is empty"},
		"zeros":                 {make([]byte, 8192), "it is no kernel image that the lab knows"},
		"text":                  {[]byte("hello"), "it is no kernel image that the lab knows"},
		"32-bit bzImage":        {clear64(bz), "it is a bzImage for 32-bit x86"},
		"vmlinux for arm64":     {elfFor(183, 2), "it is an ELF file for arm64, which QEMU does not boot: give arch/arm64/boot/Image of the same build"},
		"module":                {elfFor(62, 1), "it is an object file or a module"},
		"vmlinux for riscv64":   {elfFor(243, 2), "it is an ELF file for EM_RISCV"},
		"vmlinux without a PVH": {smallELF(19), "it is a vmlinux without a PVH note (CONFIG_PVH=n), which QEMU does not boot: give arch/x86/boot/bzImage of the same build"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "image")
			write(t, file, string(tt.data))
			_, err := Open(file, nil, "", "")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "check image "+file+": ") || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error %v, want one line with %q", err, tt.want)
			}
		})
	}
	data, err := hex.DecodeString(bzip2Image)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := unwrap(contentOf(data), 1<<20); err != nil || c.size != 64 || c.how[0] != "bzip2" {
		t.Errorf("bzip2: %d bytes, %v", c.size, err)
	}
	if _, err := Open(t.TempDir(), nil, "", ""); err == nil || !strings.Contains(err.Error(), "is no regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// clear64 makes a bzImage one for 32-bit x86.
func clear64(bz []byte) []byte {
	bz = bytes.Clone(bz)
	bz[0x236] &^= 1
	return bz
}

// elfFor is the head of an ELF file of a machine and a type.
func elfFor(machine, kind uint16) []byte {
	data := bytes.Clone(smallELF(18))
	binary.LittleEndian.PutUint16(data[16:], kind)
	binary.LittleEndian.PutUint16(data[18:], machine)
	return data
}

// TestBombs: what unpacks to more than the limit ends there, in any wrapper.
func TestBombs(t *testing.T) {
	const limit = 1 << 20
	for _, format := range packtest.Names() {
		bomb := packtest.Pack(t, format, make([]byte, limit+1))
		name := strings.TrimSuffix(format, "-legacy")
		for kind, data := range map[string][]byte{
			"file": bomb, "zboot": imagetest.Zboot(imagetest.ARM64, name, bomb), "UKI": imagetest.UKI(imagetest.X86_64, bomb, ""),
		} {
			if _, err := unwrap(contentOf(data), limit); !errors.Is(err, unpack.ErrLarge) {
				t.Errorf("%s, %s: %v", kind, format, err)
			}
		}
	}
	large := imagetest.UKI(imagetest.X86_64, make([]byte, limit+1), "")
	if _, err := unwrap(contentOf(large), limit); err == nil || !strings.Contains(err.Error(), "its section .linux has more than 1 MiB") {
		t.Errorf("UKI: %v", err)
	}
	// A real one: 300 MiB of zeros in 300 KB.
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.CopyN(w, zeros{}, maxUnwrapped+1); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bomb")
	write(t, file, b.String())
	if _, err := Open(file, nil, "", ""); err == nil || !strings.Contains(err.Error(), "it is too large: more than 256 MiB: give it unpacked if it is a kernel") {
		t.Errorf("bomb of %d bytes: %v", b.Len(), err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzUnwrap: anything is taken for what it is or refused, within the limit; what
// comes out has no wrapper left, and is the same again.
func FuzzUnwrap(f *testing.F) {
	const limit = 64 << 10
	image := kernelFor(f, "arm64")
	f.Add(image)
	for _, format := range packtest.Names() {
		packed := packtest.Pack(f, format, image)
		f.Add(packed)
		f.Add(imagetest.Zboot(imagetest.ARM64, strings.TrimSuffix(format, "-legacy"), packed))
		f.Add(imagetest.UKI(imagetest.ARM64, packed, "quiet"))
	}
	bomb := packtest.Pack(f, "gzip", make([]byte, limit+1))
	f.Add(bomb)
	f.Add(imagetest.UKI(imagetest.ARM64, imagetest.Zboot(imagetest.ARM64, "gzip", bomb), ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := unwrap(contentOf(data), limit)
		if err != nil {
			return
		}
		if len(c.how) > maxWrappers || len(c.how) > 0 && c.size > limit {
			t.Fatalf("%d bytes out of %q", c.size, c.how)
		}
		inner, err := io.ReadAll(c.reader())
		if err != nil || int64(len(inner)) != c.size {
			t.Fatalf("%d of %d bytes: %v", len(inner), c.size, err)
		}
		if again, err := unwrap(contentOf(inner), limit); err != nil || len(again.how) > 0 {
			t.Errorf("out of %q came what is %q, %v", c.how, again.how, err)
		}
	})
}

// FuzzWrapped: any kernel comes out of each wrapper as it went in. One of which the
// end is missing does not, but if that is no part of the kernel: lz4's end mark.
func FuzzWrapped(f *testing.F) {
	for kind := range uint8(12) {
		f.Add([]byte("code"), kind, uint16(0))
		f.Add(bytes.Repeat([]byte("code and data"), 100), kind, uint16(40))
	}
	f.Fuzz(func(t *testing.T, text []byte, kind uint8, cut uint16) {
		kernel := append(bytes.Clone(kernelFor(t, "arm64")), text...)
		names := packtest.Names()
		format := names[int(kind)%len(names)]
		name := strings.TrimSuffix(format, "-legacy")
		packed := packtest.Pack(t, format, kernel)
		n := int(cut) % len(packed)
		wrap := func(data []byte) []byte {
			switch int(kind) / len(names) % 4 {
			case 0:
				return data
			case 1:
				return imagetest.Zboot(imagetest.ARM64, name, data)
			case 2:
				return imagetest.UKI(imagetest.ARM64, data, "")
			}
			return imagetest.UKI(imagetest.ARM64, imagetest.Zboot(imagetest.ARM64, name, data), "")
		}
		c, err := unwrap(contentOf(wrap(packed)), 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if inner, err := io.ReadAll(c.reader()); err != nil || !bytes.Equal(inner, kernel) {
			t.Fatalf("%s: %d of %d bytes, %v", format, len(inner), len(kernel), err)
		}
		if n == 0 {
			return
		}
		c, err = unwrap(contentOf(wrap(packed[:len(packed)-n])), 1<<20)
		if err != nil || !isWhole(c) {
			return
		}
		if inner, err := io.ReadAll(c.reader()); err != nil || !bytes.Equal(inner, kernel) {
			t.Errorf("%s: %d bytes are missing, and another kernel came out of %q", format, n, c.how)
		}
	})
}

// isWhole reports whether a kernel is one that some architecture boots.
func isWhole(c content) bool {
	a, err := archOf(c)
	return err == nil && check(c, a) == nil
}

func sumOf(file string) (string, error) {
	data, err := os.ReadFile(file)
	return host.Sum(data), err
}
