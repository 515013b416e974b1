package payload

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/pe"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
)

func testKey(t *testing.T) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(42),
		Subject:      pkix.Name{CommonName: "test"},
		NotBefore:    time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
	}
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

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Every architecture has a payload, which passes for an image of it and for a
// PE file, and whose signature changes nothing but what Authenticode leaves out.
func TestKexec(t *testing.T) {
	key, cert := testKey(t)
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			unsigned, signed, err := Kexec(a, key, cert)
			if err != nil {
				t.Fatal(err)
			}
			if len(signed) > 16<<10 {
				t.Errorf("%d bytes: small is the point", len(signed))
			}
			_, again, err := Kexec(a, key, cert)
			if err != nil || !bytes.Equal(signed, again) {
				t.Error("the same key gives other bytes", err)
			}
			for _, image := range [][]byte{unsigned, signed} {
				if err := a.CheckImage(image[:arch.HeadSize]); err != nil {
					t.Error(err)
				}
				f, err := pe.NewFile(bytes.NewReader(image))
				if err != nil {
					t.Fatal(err)
				}
				opt := f.OptionalHeader.(*pe.OptionalHeader64)
				if len(f.Sections) != 1 || int(opt.SizeOfHeaders+f.Sections[0].Size) != len(unsigned) {
					t.Errorf("sections do not cover the image: %+v", f.Sections)
				}
			}
			offset := shapes[a.Name].peOffset
			if !bytes.Equal(authentihash(unsigned, offset), authentihash(signed[:len(unsigned)], offset)) {
				t.Error("signing changed what is signed")
			}
		})
	}
}

// sbverify is an independent verifier of signatures.
func TestSbverify(t *testing.T) {
	sbverify := testutil.RequireProgram(t, "sbverify")
	key, cert := testKey(t)
	_, other := testKey(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ours, theirs := write("ours.pem", certPEM(cert.Raw)), write("theirs.pem", certPEM(other.Raw))
	for _, a := range arch.All() {
		unsigned, signed, err := Kexec(a, key, cert)
		if err != nil {
			t.Fatal(err)
		}
		tampered := bytes.Clone(signed)
		tampered[len(unsigned)-1] ^= 1
		for _, c := range []struct {
			name, cert string
			image      []byte
			good       bool
		}{
			{"signed", ours, signed, true},
			{"signed by another", theirs, signed, false},
			{"unsigned", ours, unsigned, false},
			{"tampered", ours, tampered, false},
		} {
			out, err := exec.Command(sbverify, "--cert", c.cert, write("image", c.image)).CombinedOutput()
			if good := err == nil; good != c.good {
				t.Errorf("%s, %s: sbverify says %s", a.Name, c.name, out)
			}
		}
	}
}
