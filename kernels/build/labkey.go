package build

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// A labKey signs what probes load. It is made once for a cache and never leaves
// it.
type labKey struct {
	pem  []byte // private key and certificate, as kbuild wants them
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// Each kernel has the certificate of the first key built in
// (CONFIG_MODULE_SIG_KEY). No kernel has that of the second.
const (
	labKeyFile       = "lab_key.pem"
	untrustedKeyFile = "untrusted_key.pem"
)

// keyNames are the subjects: a kernel looks for the key of a signature by it.
var keyNames = map[string]string{labKeyFile: "ldlab", untrustedKeyFile: "ldlab untrusted"}

// fingerprint identifies a key. It is the SHA-256 of the certificate, in hex.
func (k labKey) fingerprint() string { return fmt.Sprintf("%x", sha256.Sum256(k.cert.Raw)) }

// errNoKey is a cache without a key.
var errNoKey = errors.New("read lab key: there is none yet")

// labKey reads one of the cache's keys. With create, it makes one if there is
// none.
func (j *job) labKey(name string, create bool) (labKey, error) {
	file := filepath.Join(j.store.Dir(), "key", name)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := makeLabKey(file, keyNames[name]); err != nil {
			return labKey{}, fmt.Errorf("make lab key: %w", err)
		}
		data, err = os.ReadFile(file) // it may be that of another ldlab, which was faster
	}
	if errors.Is(err, fs.ErrNotExist) {
		return labKey{}, errNoKey
	}
	if err != nil {
		return labKey{}, fmt.Errorf("read lab key: %w", err)
	}
	k, err := parseLabKey(data)
	if err != nil {
		return labKey{}, fmt.Errorf("read lab key %s: %w; remove it to have a new one made", file, err)
	}
	return k, nil
}

// makeLabKey makes a key with a certificate that is valid until 2099. The
// extensions are those of certs/default_x509.genkey, v6.12.
func makeLabKey(file, subject string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return err
	}
	id := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject},
		// The guest's clock may be anywhere; kernels don't check dates.
		NotBefore:             time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		SubjectKeyId:          id[:20],
		AuthorityKeyId:        id[:20],
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	return writeNew(file, b.Bytes())
}

// writeNew makes a file that only its owner may read, whole, unless there is
// one of that name.
func writeNew(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func parseLabKey(data []byte) (labKey, error) {
	k := labKey{pem: data}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			var key any
			if key, err = x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				k.key, _ = key.(*rsa.PrivateKey)
			}
		case "CERTIFICATE":
			k.cert, err = x509.ParseCertificate(block.Bytes)
		}
		if err != nil {
			return labKey{}, err
		}
	}
	if k.key == nil || k.cert == nil || !k.key.PublicKey.Equal(k.cert.PublicKey) {
		return labKey{}, errors.New("it is not an RSA key with its certificate")
	}
	return k, nil
}
