package image

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels/internal/payload"
	"github.com/ldlab/ldlab/lockdown"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func testKey(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// The payloads are well-formed images of their architectures: whole ones are
// taken, cut ones and those of another architecture are not.
func TestOpen(t *testing.T) {
	key, cert := testKey(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "config")
	write(t, config, "CONFIG_SECURITY_LOCKDOWN_REASONS=y\n")
	for i, a := range arch.All() {
		whole, _, err := payload.Kexec(a, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, a.Name)
		write(t, file, string(whole))
		built, err := Open(file, a, "", "")
		if err != nil || built.Interface != lockdown.Upstream || built.Config.On("CONFIG_SECURITY_LOCKDOWN_REASONS") || len(built.SHA256) != 64 {
			t.Errorf("%+v, %v", built, err)
		}
		built, err = Open(file, a, config, "")
		if err != nil || built.Interface != lockdown.Bitmap || !built.Config.On("CONFIG_SECURITY_LOCKDOWN_REASONS") {
			t.Errorf("%+v, %v", built, err)
		}
		other := arch.All()[(i+1)%len(arch.All())]
		for _, c := range []struct {
			name, want string
			arch       *arch.Arch
			size       int64
			config     string
		}{
			{"cut", "it is truncated: 5119 bytes, and its header needs 5120", a, 5119, ""},
			{"other", "image is for " + a.Name + ", not " + other.Name, other, 5119, ""},
			{"empty", "check image ", a, 0, ""},
		} {
			if err := os.Truncate(file, c.size); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(file, c.arch, c.config, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", a.Name, c.name, err)
			}
		}
		write(t, file, string(whole))
		if _, err := Open(file, a, file, ""); err == nil || !strings.Contains(err.Error(), "read config ") {
			t.Errorf("an image was taken for a config: %v", err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), arch.All()[0], "", ""); err == nil {
		t.Error("no file was taken for an image")
	}
}

func TestOpenImageELF(t *testing.T) {
	elf := smallELF(18)
	file := filepath.Join(t.TempDir(), "vmlinux")
	write(t, file, string(elf))
	a := arch.All()[0]
	if a.CheckImage(elf) != nil {
		t.Skip("the first architecture boots no ELF file")
	}
	if _, err := Open(file, a, "", ""); err != nil {
		t.Error(err)
	}
	for _, size := range []int64{219, 100, 64} {
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file, a, "", ""); err == nil || !strings.Contains(err.Error(), "truncated") {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// smallELF is an x86-64 executable with a segment of 100 bytes at its end, which has
// a note of Xen's of a type: 18 is PVH's entry.
func smallELF(note uint32) []byte {
	elf := make([]byte, 64+56+100)
	copy(elf, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(elf[16:], 2)   // executable
	le.PutUint16(elf[18:], 62)  // x86-64
	le.PutUint32(elf[20:], 1)   // version
	le.PutUint64(elf[32:], 64)  // program headers
	le.PutUint16(elf[52:], 64)  // size of this header
	le.PutUint16(elf[54:], 56)  // size of a program header
	le.PutUint16(elf[56:], 1)   // number of them
	le.PutUint32(elf[64:], 4)   // notes
	le.PutUint64(elf[72:], 120) // from
	le.PutUint64(elf[96:], 100) // so many bytes
	first := elf[120:]          // a note of somebody else's, with names and data that are padded
	le.PutUint32(first, 4)
	le.PutUint32(first[4:], 5)
	le.PutUint32(first[8:], 18)
	copy(first[12:], "GNU\x00")
	xen := first[24:]
	le.PutUint32(xen, 4)
	le.PutUint32(xen[4:], 4)
	le.PutUint32(xen[8:], note)
	copy(xen[12:], "Xen\x00")
	return elf
}

// FuzzCheck reads anything as an image. What is whole is not whole without its
// last byte that the header needs, and stays whole with more bytes.
func FuzzCheck(f *testing.F) {
	f.Add(smallELF(18))
	f.Add([]byte("MZ"))
	key, cert := testKey(f)
	for _, a := range arch.All() {
		whole, signed, err := payload.Kexec(a, key, cert)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole)
		f.Add(signed)
	}
	huge := smallELF(18)
	binary.LittleEndian.PutUint64(huge[96:], 1<<63) // a segment that ends before it starts
	f.Add(huge)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, a := range arch.All() {
			err := check(contentOf(data), a)
			if err != nil {
				continue
			}
			need, err := imageSize(bytes.NewReader(data), data[:min(len(data), arch.HeadSize)])
			if err != nil || need > int64(len(data)) || need < 0 {
				t.Errorf("%s: %d bytes were taken, and %d are needed; %v", a.Name, len(data), need, err)
			}
			if need > arch.HeadSize && check(contentOf(data[:need-1]), a) == nil {
				t.Errorf("%s: it is whole without its last byte", a.Name)
			}
			if err := check(contentOf(append(bytes.Clone(data), 0)), a); err != nil {
				t.Errorf("%s: with one more byte: %v", a.Name, err)
			}
		}
	})
}

// TestSites: a file of call sites belongs to an image if it has some, and is
// refused with its name if not.
func TestSites(t *testing.T) {
	dir := t.TempDir()
	a := arch.All()[0]
	file := filepath.Join(dir, "image")
	key, cert := testKey(t)
	whole, _, err := payload.Kexec(a, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(whole))
	sites := filepath.Join(dir, "sites.json")
	for text, want := range map[string]string{
		`{"Present":[{"Name":"f+0x1/0x2"}]}`: "",
		`{"Present":[]}`:                     "has no call site",
		`{"Calls":[]}`:                       "unknown field",
		`not JSON`:                           "invalid character",
	} {
		if err := os.WriteFile(sites, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		i, err := Open(file, a, "", sites)
		switch {
		case want == "" && (err != nil || i.SitesPath != sites || i.SitesSHA256 == ""):
			t.Errorf("%s: %+v, %v", text, i, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "read call sites: "+sites) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
