package xfrm

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// key is n bytes that the kernel does not use by itself. No four of them are
// repeated in another key, so that a part of a key is known by them.
func key(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first ^ byte(i*37+1)
	}
	return b
}

// The algorithms of the probes.
var (
	HMAC = Alg{Attr: AttrAuth, Name: "hmac(sha256)", key: key(0xa5, 32)}
	AES  = Alg{Attr: AttrCrypt, Name: "cbc(aes)", key: key(0xc3, 16)}
	GCM  = Alg{Attr: AttrAEAD, Name: "rfc4106(gcm(aes))", param: 128, key: key(0x96, 20)}
	// A null cipher, so that only the authentication key is checked.
	nullCipher = Alg{Attr: AttrCrypt, Name: "ecb(cipher_null)"}
)

// Associations by what they are protected with.
var (
	AuthOnly = []Alg{HMAC, nullCipher}
	Ciphered = []Alg{AES}
	Both     = []Alg{HMAC, AES}
	Combined = []Alg{GCM}
)

// JudgeKeys compares the keys in an answer with those of the association: if
// one is disclosed, or a part of one, the call is allowed. An attribute that is
// missing discloses nothing.
func JudgeKeys(call string, algs []Alg, attrs map[uint16][]byte, look ...Attr) observe.Report {
	r := observe.Report{Outcome: observe.Denied}
	var saw []string
	for _, a := range look {
		data, ok := attrs[uint16(a)]
		if !ok {
			saw = append(saw, fmt.Sprintf("no %s", a))
			continue
		}
		_, got, err := parseKey(a, data)
		if err != nil {
			return observe.SetupFailed(call, err)
		}
		want := keyOf(algs, a)
		switch {
		case disclosed(got, want):
			r.Outcome = observe.Allowed
		case !bytes.Equal(got, make([]byte, len(got))):
			return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("%s = {%s=%x}", call, a, got), Why: "neither the key nor zeros"}
		}
		saw = append(saw, fmt.Sprintf("%s=%.4x...", a, got))
	}
	r.Call = fmt.Sprintf("%s = {%s}", call, strings.Join(saw, ", "))
	return r.Saw(r.Outcome == observe.Allowed, "compared with the keys of the association")
}

// disclosed reports whether what is shown has four bytes of the key, or all of a
// shorter one.
func disclosed(got, key []byte) bool {
	n := min(4, len(key))
	if n == 0 {
		return false
	}
	for i := 0; i+n <= len(key); i++ {
		if bytes.Contains(got, key[i:i+n]) {
			return true
		}
	}
	return false
}

// keyOf is the key that an attribute must have: an answer always has both forms
// of the authentication algorithm, with the same key.
func keyOf(algs []Alg, a Attr) []byte {
	for _, alg := range algs {
		if alg.Attr == a || a == AttrAuthTrunc && alg.Attr == AttrAuth || a == AttrAuth && alg.Attr == AttrAuthTrunc {
			return alg.key
		}
	}
	return nil
}

// JudgeName looks for the name of the algorithm and the length of its key.
func JudgeName(alg Alg, attrs map[uint16][]byte) observe.Report {
	call := Get.Call
	name, key, err := parseKey(alg.Attr, attrs[uint16(alg.Attr)])
	if err != nil {
		return observe.SetupFailed(call, err)
	}
	r := observe.FromError(fmt.Sprintf("%s = {%s=%q, %d bits}", call, alg.Attr, name, 8*len(key)), nil)
	if name != alg.Name || len(key) != len(alg.key) {
		r.Outcome, r.Why = observe.Failed, "not the algorithm of the association"
	}
	return r
}

// ProbeKeys makes an association, triggers the message of the way, and compares
// the keys in it.
func ProbeKeys(ctx context.Context, way Way, algs []Alg, look ...Attr) observe.Report {
	return Probe(ctx, way, algs, func(attrs map[uint16][]byte) observe.Report { return JudgeKeys(way.Call, algs, attrs, look...) })
}

// An other is an association with other algorithms than the act's.
type other struct {
	name string
	algs []Alg
	look Attr
}

// others are algorithms by the attribute that has their key.
var others = map[Attr][]other{
	AttrAuth: {
		{"hmac(sha256), a key of 8 bits", []Alg{{Attr: AttrAuth, Name: "hmac(sha256)", key: key(0xa5, 1)}, nullCipher}, AttrAuth},
		{"hmac(sha512), a key of 512 bits", []Alg{{Attr: AttrAuth, Name: "hmac(sha512)", key: key(0xa5, 64)}, nullCipher}, AttrAuth},
		{"hmac(sha256), truncated", []Alg{{Attr: AttrAuthTrunc, Name: "hmac(sha256)", param: 128, key: key(0xa5, 32)}, nullCipher}, AttrAuth},
		{"hmac(sha256) and cbc(aes)", Both, AttrAuth},
	},
	AttrAuthTrunc: {
		{"hmac(sha256), truncated to 128 bits", []Alg{{Attr: AttrAuthTrunc, Name: "hmac(sha256)", param: 128, key: key(0xa5, 32)}, nullCipher}, AttrAuthTrunc},
		{"hmac(sha384)", []Alg{{Attr: AttrAuth, Name: "hmac(sha384)", key: key(0xa5, 48)}, nullCipher}, AttrAuthTrunc},
	},
	AttrCrypt: {
		{"cbc(aes), a key of 256 bits", []Alg{{Attr: AttrCrypt, Name: "cbc(aes)", key: key(0xc3, 32)}}, AttrCrypt},
		{"rfc3686(ctr(aes))", []Alg{{Attr: AttrCrypt, Name: "rfc3686(ctr(aes))", key: key(0xc3, 20)}}, AttrCrypt},
		{"hmac(sha256) and cbc(aes)", Both, AttrCrypt},
	},
	AttrAEAD: {
		{"rfc4106(gcm(aes)), a key of 288 bits", []Alg{{Attr: AttrAEAD, Name: "rfc4106(gcm(aes))", param: 64, key: key(0x96, 36)}}, AttrAEAD},
		{"rfc4543(gcm(aes))", []Alg{{Attr: AttrAEAD, Name: "rfc4543(gcm(aes))", param: 128, key: key(0x96, 20)}}, AttrAEAD},
	},
}

// MoreKeys does the same with other algorithms, and in a network namespace of
// its own.
func MoreKeys(ctx context.Context, way Way, algs []Alg, look ...Attr) (list []observe.Variant) {
	kinds := look
	if way != Get && way != Dump { // a notification is also sent of associations of the other kinds
		kinds = []Attr{AttrAuth, AttrAEAD}
	}
	for _, a := range kinds {
		for _, o := range others[a] {
			list = append(list, ProbeKeys(ctx, way, o.algs, o.look).Vary(fmt.Sprintf("%s in %s", o.name, a)))
		}
	}
	list = append(list, probe(ctx, way, association{labSPI, algs, tunnel}, func(attrs map[uint16][]byte) observe.Report {
		return JudgeKeys(way.Call, algs, attrs, look...)
	}).Vary("of a tunnel"))
	if way == Dump {
		list = append(list, ProbeKeys(ctx, DumpESP, algs, look...).Vary("XFRMA_PROTO"))
	}
	return append(list, observe.InNetNamespace(func() observe.Report { return ProbeKeys(ctx, way, algs, look...) }).Vary("in a network namespace"))
}
