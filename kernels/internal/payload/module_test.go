package payload

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
)

// takeApart undoes SignModule as mod_verify_sig does.
func takeApart(t *testing.T, signed []byte) (module, blob []byte) {
	t.Helper()
	rest, ok := bytes.CutSuffix(signed, []byte("~Module signature appended~\n"))
	if !ok || len(rest) < 12 {
		t.Fatal("no marker at the end")
	}
	info := rest[len(rest)-12:]
	size := int(binary.BigEndian.Uint32(info[8:]))
	if !bytes.Equal(info[:8], []byte{0, 0, 2, 0, 0, 0, 0, 0}) || size > len(rest)-12 {
		t.Fatalf("module_signature is % x", info)
	}
	rest = rest[:len(rest)-12]
	return rest[:len(rest)-size], rest[len(rest)-size:]
}

func TestSignModule(t *testing.T) {
	key, cert := testKey(t)
	text := []byte("a module")
	signed, err := SignModule(text, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := SignModule(text, key, cert); err != nil || !bytes.Equal(signed, again) {
		t.Error("the same key gives other bytes", err)
	}
	module, blob := takeApart(t, signed)
	if !bytes.Equal(module, text) {
		t.Errorf("the module is %q", module)
	}
	// Neither content, certificates nor attributes: what is not in these
	// structures may not be there.
	var outer struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	var data struct {
		Version    int
		Algorithms asn1.RawValue
		Content    struct{ Type asn1.ObjectIdentifier }
		Signers    []struct {
			Version                       int
			Issuer                        issuerAndSerial
			DigestAlgorithm, KeyAlgorithm pkix.AlgorithmIdentifier
			Signature                     []byte
		} `asn1:"set"`
	}
	if rest, err := asn1.Unmarshal(blob, &outer); err != nil || len(rest) != 0 || !outer.Type.Equal(oidSignedData) {
		t.Fatalf("it is no signed data: %v", err)
	}
	if rest, err := asn1.Unmarshal(outer.Content.Bytes, &data); err != nil || len(rest) != 0 || !data.Content.Type.Equal(oidData) || len(data.Signers) != 1 {
		t.Fatalf("signed data is %+v, %v", data, err)
	}
	if !bytes.Equal(data.Signers[0].Issuer.Issuer.FullBytes, cert.RawIssuer) || data.Signers[0].Issuer.Serial.Cmp(cert.SerialNumber) != 0 {
		t.Errorf("the signer is %+v", data.Signers[0].Issuer)
	}
	digest := sha256.Sum256(text)
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], data.Signers[0].Signature); err != nil {
		t.Error(err)
	}
}

// openssl is an independent verifier of signatures.
func TestOpenssl(t *testing.T) {
	openssl := testutil.RequireProgram(t, "openssl")
	key, cert := testKey(t)
	_, other := testKey(t)
	dir := t.TempDir()
	signed, err := SignModule([]byte("a module"), key, cert)
	if err != nil {
		t.Fatal(err)
	}
	module, blob := takeApart(t, signed)
	for _, c := range []struct {
		name    string
		cert    []byte
		content []byte
		good    bool
	}{
		{"signed", cert.Raw, module, true},
		{"signed by another", other.Raw, module, false},
		{"tampered", cert.Raw, append(bytes.Clone(module), '!'), false},
	} {
		files := map[string][]byte{"content": c.content, "signature": blob, "cert": certPEM(c.cert)}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature", "-content", "content",
			"-certfile", "cert", "-nointern", "-noverify", "-out", os.DevNull)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil != c.good {
			t.Errorf("%s: openssl says %s", c.name, out)
		}
	}
}
