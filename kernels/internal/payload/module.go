package payload

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
)

// moduleMagic ends a signed module (include/linux/module_signature.h, v6.12).
const moduleMagic = "~Module signature appended~\n"

// SignModule appends a signature to a module, as scripts/sign-file does. It is
// of the file as it is, has no attributes, for pkcs7_verify refuses those of
// modules (crypto/asymmetric_keys/pkcs7_verify.c, v6.12), and brings no
// certificate: the kernel has it, or does not know the signer.
func SignModule(module []byte, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	blob, err := pkcs7(message{content: contentInfo{Type: oidData}}, sha256.Sum256(module), key, cert)
	if err != nil {
		return nil, fmt.Errorf("sign module: %w", err)
	}
	// struct module_signature: all zero but the type, PKEY_ID_PKCS7, and the
	// length of the signature, big-endian.
	var info [12]byte
	info[2] = 2
	binary.BigEndian.PutUint32(info[8:], uint32(len(blob)))

	signed := append([]byte(nil), module...)
	signed = append(signed, blob...)
	signed = append(signed, info[:]...)
	return append(signed, moduleMagic...), nil
}
