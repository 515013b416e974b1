package payload

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
)

// sign appends an Authenticode signature, as sbsign would, but without the
// time: the same image and key give the same bytes.
func sign(image []byte, peOffset int, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	digest := authentihash(image, peOffset)
	blob, err := authenticode(digest, key, cert)
	if err != nil {
		return nil, fmt.Errorf("sign kexec image: %w", err)
	}
	// WIN_CERTIFICATE: length, revision 2.0, type PKCS#7; entries are padded
	// to 8 bytes.
	wrapped := make([]byte, 8, 8+len(blob)+7)
	wrapped = append(wrapped, blob...)
	for len(wrapped)%8 != 0 {
		wrapped = append(wrapped, 0)
	}
	le.PutUint32(wrapped[0:], uint32(len(wrapped)))
	le.PutUint16(wrapped[4:], 0x0200)
	le.PutUint16(wrapped[6:], 0x0002)

	signed := append(append([]byte(nil), image...), wrapped...)
	dir := peOffset + coffSize + optSize + 8*certsDir
	le.PutUint32(signed[dir:], uint32(len(image)))
	le.PutUint32(signed[dir+4:], uint32(len(wrapped)))
	return signed, nil
}

// authentihash is the digest of the image without its checksum and without
// what a signature adds (pefile_digest_pe_contents, v6.12). Nothing follows
// the image's one section.
func authentihash(image []byte, peOffset int) []byte {
	csum := peOffset + coffSize + csumAt
	dir := peOffset + coffSize + optSize + 8*certsDir
	h := sha256.New()
	h.Write(image[:csum])
	h.Write(image[csum+4 : dir])
	h.Write(image[dir+8:])
	return h.Sum(nil)
}

// Object identifiers of Authenticode.
var (
	oidIndirectData = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}
	oidPEImageData  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15}
)

// authenticode is the signature of an image with the digest.
func authenticode(digest []byte, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	content, err := indirectData(digest)
	if err != nil {
		return nil, err
	}
	// What is signed is the content without its outer tag and length.
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(content, &inner); err != nil {
		return nil, err
	}
	contentSum := sha256.Sum256(inner.Bytes)
	attributes, err := authenticated(contentSum[:])
	if err != nil {
		return nil, err
	}
	// The attributes are signed as a SET, and stored as [0].
	set, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: attributes})
	if err != nil {
		return nil, err
	}
	return pkcs7(message{
		content:      contentInfo{oidIndirectData, explicit(content)},
		certificates: explicit(cert.Raw),
		attributes:   explicit(attributes),
	}, sha256.Sum256(set), key, cert)
}

// indirectData is SpcIndirectDataContent: "a PE image with this digest".
func indirectData(digest []byte) ([]byte, error) {
	type digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	// SpcPeImageData: no flags, and the obsolete file name that everyone
	// writes and nobody reads: [0] [2] [0] "<<<Obsolete>>>" in UTF-16.
	text := make([]byte, 0, 28)
	for _, c := range "<<<Obsolete>>>" {
		text = append(text, 0, byte(c))
	}
	name, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: text})
	if err != nil {
		return nil, err
	}
	file, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: name})
	if err != nil {
		return nil, err
	}
	type peImageData struct {
		Flags asn1.BitString
		File  asn1.RawValue
	}
	type typeAndValue struct {
		Type  asn1.ObjectIdentifier
		Value peImageData
	}
	return asn1.Marshal(struct {
		Data   typeAndValue
		Digest digestInfo
	}{
		typeAndValue{oidPEImageData, peImageData{File: explicit(file)}},
		digestInfo{pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}, digest},
	})
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

// authenticated encodes the two attributes that a signature must have, in the
// order that DER wants of a set: by their encoding.
func authenticated(contentSum []byte) ([]byte, error) {
	var out []byte
	for _, a := range []struct {
		oid   asn1.ObjectIdentifier
		value any
	}{{oidContentType, oidIndirectData}, {oidMessageDigest, contentSum}} {
		value, err := asn1.Marshal(a.value)
		if err != nil {
			return nil, err
		}
		der, err := asn1.Marshal(attribute{a.oid, asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: value}})
		if err != nil {
			return nil, err
		}
		out = append(out, der...)
	}
	return out, nil
}
