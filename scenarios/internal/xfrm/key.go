package xfrm

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Keys of 32, 16 and 20 bytes that the kernel does not use by itself.
const (
	a5x8  = "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5"
	c3x8  = "\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3"
	x96x4 = "\x96\x96\x96\x96"
)

var (
	HMAC = Alg{Attr: AttrAuth, Name: "hmac(sha256)", key: []byte(a5x8 + a5x8 + a5x8 + a5x8)}
	AES  = Alg{Attr: AttrCrypt, Name: "cbc(aes)", key: []byte(c3x8 + c3x8)}
	GCM  = Alg{Attr: AttrAEAD, Name: "rfc4106(gcm(aes))", param: 128, key: []byte(x96x4 + x96x4 + x96x4 + x96x4 + x96x4)}
)

// JudgeKeys compares the keys in an answer with those of the association: if
// one is disclosed, the call is allowed.
func JudgeKeys(call string, algs []Alg, look []Attr, attrs map[uint16][]byte) observe.Report {
	r := observe.Report{Outcome: observe.Denied}
	var saw []string
	for _, a := range look {
		data, ok := attrs[uint16(a)]
		if !ok {
			return observe.Report{Outcome: observe.Failed, Call: call + " = ok", Why: fmt.Sprintf("the answer has no %s", a)}
		}
		_, got, err := parseKey(a, data)
		if err != nil {
			return observe.SetupFailed(call, err)
		}
		want := keyOf(algs, a)
		switch {
		case bytes.Equal(got, want):
			r.Outcome = observe.Allowed
		case !bytes.Equal(got, make([]byte, len(want))):
			return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("%s = {%s=%x}", call, a, got), Why: "neither the key nor zeros"}
		}
		saw = append(saw, fmt.Sprintf("%s=%.4x...", a, got))
	}
	r.Call = fmt.Sprintf("%s = {%s}", call, strings.Join(saw, ", "))
	return r
}

// keyOf is the key that an attribute must have: an answer always has both forms
// of the authentication algorithm, with the same key.
func keyOf(algs []Alg, a Attr) []byte {
	if a == AttrAuthTrunc {
		a = AttrAuth
	}
	for _, alg := range algs {
		if alg.Attr == a {
			return alg.key
		}
	}
	return nil
}

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
