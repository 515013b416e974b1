package module

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// JunkSize is larger than an ELF header: a smaller file is refused before
// lockdown is checked.
const JunkSize = 128

// A Junk is a file that is no module, with a signature or without one. The kernel
// looks at a file's signature before its content (kernel/module/main.c:load_module,
// v6.12), so any kernel takes it for an unsigned module, and nothing is loaded.
type Junk struct {
	What string
	Size int // of the content, in bytes
	Sign Signature
}

// A Signature is what is appended to a file.
type Signature int

const (
	None       Signature = iota
	Stranger             // of a signer whom no kernel knows: ENOKEY
	OtherHash            // by a hash that no kernel knows: ENOPKG
	NoPKCS7              // of another type: ENOPKG
	signatures           // how many there are
)

// Init loads it from memory.
func (j Junk) Init() observe.Report {
	call := "init_module(" + j.What + ")"
	return passed(call, unix.InitModule(j.bytes(), ""))
}

// Finit loads it from a file in memory.
func (j Junk) Finit(flags int) observe.Report {
	call := fmt.Sprintf("finit_module(%s, %#x)", j.What, flags)
	r := finit(call, j.bytes(), "", flags)
	return judgeJunk(call, r)
}

func passed(call string, err error) observe.Report { return judgeJunk(call, fromError(call, err)) }

// judgeJunk treats ENOEXEC as allowed: the kernel checks the ELF header after
// lockdown.
func judgeJunk(call string, r observe.Report) observe.Report {
	if r.Outcome == observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Call: call + " = ok", Why: "the kernel loaded zeros"}
	}
	return observe.AllowedIf(r, unix.ENOEXEC)
}

// bytes is the file: content, signature, struct module_signature and the marker
// (include/linux/module_signature.h, v6.12).
func (j Junk) bytes() []byte {
	content := make([]byte, j.Size)
	if j.Sign == None {
		return content
	}
	return append(content, j.Sign.appendix()...)
}

// Strangers is a signature of somebody whose key no kernel has, as it follows a
// module.
func Strangers() []byte { return Stranger.appendix() }

// appendix is what follows a module that is signed so.
func (s Signature) appendix() []byte {
	blob := signedData(s == OtherHash)
	info := make([]byte, 12)
	if s != NoPKCS7 {
		info[2] = 2 // PKEY_ID_PKCS7
	}
	binary.BigEndian.PutUint32(info[8:], uint32(len(blob)))
	return slices.Concat(blob, info, []byte("~Module signature appended~\n"))
}

// DER tags.
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagNull     = 0x05
	tagOID      = 0x06
	tagUTF8     = 0x0c
	tagSequence = 0x30
	tagSet      = 0x31
	tagContext0 = 0xa0
)

// der encodes a value whose parts are shorter than 32 KiB.
func der(tag byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

// signedData is a PKCS#7 message without content or certificate. The kernel does
// not look at the signature itself before it knows the signer
// (crypto/asymmetric_keys/pkcs7_verify.c:pkcs7_verify_one, v6.12).
func signedData(otherHash bool) []byte {
	oid := func(b ...byte) []byte { return der(tagOID, b) }
	sha256 := oid(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01)
	if otherHash {
		sha256 = oid(0x2a, 0x03, 0x04) // 1.2.3.4, an example in X.690 and nobody's
	}
	hash := der(tagSequence, sha256, der(tagNull))
	rsa := der(tagSequence, oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01), der(tagNull))
	name := der(tagSequence, der(tagSet, der(tagSequence, oid(0x55, 0x04, 0x03), der(tagUTF8, []byte("a stranger")))))
	one := der(tagInteger, []byte{1})
	signer := der(tagSequence, one, der(tagSequence, name, one), hash, rsa, der(tagOctets, make([]byte, 256)))
	data := der(tagSequence, oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01))
	signed := der(tagSequence, one, der(tagSet, hash), data, der(tagSet, signer))
	return der(tagSequence, oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02), der(tagContext0, signed))
}
