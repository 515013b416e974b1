package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

func init() { register("xfrm", xfrmScenario) }

// Keys of associations go to user space in four attributes, of answers and of
// notifications alike. Lockdown is asked once for each algorithm; a refusal is
// no error, but a key of zeros: net/xfrm/xfrm_user.c:xfrm_redact and
// copy_to_user_{auth,aead,ealg}, v6.12. Adding and deleting an association
// notifies, heard or not, and so asks as well.
func xfrmScenario() Scenario {
	const site = "net/xfrm/xfrm_user.c:xfrm_redact"
	needs := []string{"CONFIG_XFRM_USER", "CONFIG_INET_ESP"}
	s := Scenario{Name: "xfrm", Title: "read the keys of IPsec associations"}
	// Without a cipher that has a key of its own, so that one key is asked for.
	authOnly := []xfrmAlg{hmacAlg, {attr: xfrmCrypt, name: "ecb(cipher_null)"}}
	for _, p := range []struct {
		name  string
		way   xfrmWay
		algs  []xfrmAlg
		look  []xfrmAttr
		lines int
	}{
		{"getsa-auth", wayGet, authOnly, []xfrmAttr{xfrmAuth}, 6},
		{"getsa-auth-trunc", wayGet, authOnly, []xfrmAttr{xfrmAuthTrunc}, 6},
		{"getsa-crypt", wayGet, []xfrmAlg{aesAlg}, []xfrmAttr{xfrmCrypt}, 3},
		{"getsa-aead", wayGet, []xfrmAlg{gcmAlg}, []xfrmAttr{xfrmAEAD}, 3},
		{"dump", wayDump, []xfrmAlg{hmacAlg, aesAlg}, []xfrmAttr{xfrmAuth, xfrmAuthTrunc, xfrmCrypt}, 6},
		{"dump-aead", wayDump, []xfrmAlg{gcmAlg}, []xfrmAttr{xfrmAEAD}, 3},
		{"notify-new", wayNew, []xfrmAlg{hmacAlg, aesAlg}, []xfrmAttr{xfrmAuth, xfrmAuthTrunc, xfrmCrypt}, 4},
		{"notify-del", wayDel, []xfrmAlg{hmacAlg, aesAlg}, []xfrmAttr{xfrmAuth, xfrmAuthTrunc, xfrmCrypt}, 4},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: fmt.Sprintf("%s of an ESP association", p.way.act), Reason: "xfrm_secret",
			Site: site, Needs: needs, Lines: p.lines,
			Act: func(ctx context.Context, _ Env) Result {
				return xfrmProbe(ctx, p.way, p.algs, func(attrs map[uint16][]byte) Result { return judgeKeys(p.way.act, p.algs, p.look, attrs) })
			},
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			Name: "getsa-name", Call: wayGet.act + " of an ESP association: its algorithm", Expect: Unchecked,
			// Which algorithm it is and how long its key may be known.
			Reason: "xfrm_secret", Site: "net/xfrm/xfrm_user.c:copy_to_user_aead", Needs: needs,
			Act: func(ctx context.Context, _ Env) Result {
				return xfrmProbe(ctx, wayGet, []xfrmAlg{gcmAlg}, func(attrs map[uint16][]byte) Result { return judgeName(gcmAlg, attrs) })
			},
		},
		Probe{
			Name: "pfkey", Call: "SADB_DUMP of an ESP association", Expect: Gap,
			Source: "net/key/af_key.c:pfkey_xfrm_state2msg, v6.12: the older interface to the same associations copies keys and does not ask",
			Reason: "xfrm_secret", Site: "net/key/af_key.c:pfkey_dump", Needs: append(needs[:2:2], "CONFIG_NET_KEY"),
			Act: func(ctx context.Context, _ Env) Result { return pfkeyProbe(ctx) },
		},
	)
	return s
}

// Keys are of 32, 16 and 20 bytes that no kernel puts there by itself.
const (
	a5x8  = "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5"
	c3x8  = "\xc3\xc3\xc3\xc3\xc3\xc3\xc3\xc3"
	x96x4 = "\x96\x96\x96\x96"
)

var (
	hmacAlg = xfrmAlg{attr: xfrmAuth, name: "hmac(sha256)", key: []byte(a5x8 + a5x8 + a5x8 + a5x8)}
	aesAlg  = xfrmAlg{attr: xfrmCrypt, name: "cbc(aes)", key: []byte(c3x8 + c3x8)}
	gcmAlg  = xfrmAlg{attr: xfrmAEAD, name: "rfc4106(gcm(aes))", param: 128, key: []byte(x96x4 + x96x4 + x96x4 + x96x4 + x96x4)}
)

// judgeKeys compares the keys that came back with those that were put in: one
// that is shown is enough to call it allowed.
func judgeKeys(act string, algs []xfrmAlg, look []xfrmAttr, attrs map[uint16][]byte) Result {
	r := Result{Outcome: Denied}
	var saw []string
	for _, a := range look {
		data, ok := attrs[uint16(a)]
		if !ok {
			return Result{Outcome: Failed, Call: act + " = ok", Why: fmt.Sprintf("the answer has no %s", a)}
		}
		_, got, err := parseKey(a, data)
		if err != nil {
			return failed(act, err)
		}
		want := keyOf(algs, a)
		switch {
		case bytes.Equal(got, want):
			r.Outcome = Allowed
		case !bytes.Equal(got, make([]byte, len(want))):
			return Result{Outcome: Failed, Call: fmt.Sprintf("%s = {%s=%x}", act, a, got), Why: "neither the key nor zeros"}
		}
		saw = append(saw, fmt.Sprintf("%s=%.4x...", a, got))
	}
	r.Call = fmt.Sprintf("%s = {%s}", act, strings.Join(saw, ", "))
	return r
}

// keyOf is the key that an attribute of an answer should carry: both forms of
// the authentication algorithm are always there, and have the same.
func keyOf(algs []xfrmAlg, a xfrmAttr) []byte {
	if a == xfrmAuthTrunc {
		a = xfrmAuth
	}
	for _, alg := range algs {
		if alg.attr == a {
			return alg.key
		}
	}
	return nil
}

func judgeName(alg xfrmAlg, attrs map[uint16][]byte) Result {
	act := wayGet.act
	name, key, err := parseKey(alg.attr, attrs[uint16(alg.attr)])
	if err != nil {
		return failed(act, err)
	}
	r := judge(fmt.Sprintf("%s = {%s=%q, %d bits}", act, alg.attr, name, 8*len(key)), nil)
	if name != alg.name || len(key) != len(alg.key) {
		r.Outcome, r.Why = Failed, "that is not the algorithm that was put in"
	}
	return r
}
