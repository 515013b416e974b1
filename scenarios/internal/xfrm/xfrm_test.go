package xfrm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestXfrmLayout holds the structs against the sizes and offsets that a C
// compiler gives include/uapi/linux/xfrm.h.
func TestXfrmLayout(t *testing.T) {
	if n := binary.Size(xfrmUserSA{}); n != 224 {
		t.Errorf("struct xfrm_usersa_info has 224 bytes, not %d", n)
	}
	if n := binary.Size(xfrmUserID{}); n != 24 {
		t.Errorf("struct xfrm_usersa_id has 24 bytes, not %d", n)
	}
	b := association{spi: 0x01020304}.encode()
	for _, f := range []struct {
		name string
		at   int
		want string
	}{
		{"id.daddr", 56, "c0000202"}, {"id.spi", 72, "01020304"}, {"id.proto", 76, "32"},
		{"saddr", 80, "c0000201"}, {"lft.soft_byte_limit", 96, "ffffffffffffffff"},
		{"lft.hard_packet_limit", 120, "ffffffffffffffff"}, {"lft.soft_add_expires_seconds", 128, "00"},
		{"family", 212, "0200"}, {"mode", 214, "00"},
	} {
		if got := hex.EncodeToString(b[f.at : f.at+len(f.want)/2]); got != f.want {
			t.Errorf("%s at %d is %s, want %s", f.name, f.at, got, f.want)
		}
	}
}

// answer is what a kernel says of an association: as it was put in, with both
// forms of the authentication algorithm, and with keys of zeros if redacted.
func answer(t *testing.T, redact bool, algs ...Alg) map[uint16][]byte {
	t.Helper()
	var out []Alg
	for _, a := range algs {
		if redact {
			a.key = make([]byte, len(a.key))
		}
		out = append(out, a)
		if a.Attr == AttrAuth {
			a.Attr, a.param = AttrAuthTrunc, 96
			out = append(out, a)
		}
	}
	spi, attrs, err := parseAssociation(xfrmNewSA, association{spi: labSPI, algs: out}.encode())
	if err != nil || spi != labSPI {
		t.Fatalf("spi %#x: %v", spi, err)
	}
	return attrs
}

func TestJudgeKeys(t *testing.T) {
	algs := []Alg{HMAC, AES}
	all := []Attr{AttrAuth, AttrAuthTrunc, AttrCrypt}
	shown, hidden := answer(t, false, algs...), answer(t, true, algs...)
	mixed := answer(t, true, algs...)
	mixed[uint16(AttrCrypt)] = shown[uint16(AttrCrypt)]
	other := answer(t, true, algs...)
	other[uint16(AttrAuth)] = bytes.Clone(other[uint16(AttrAuth)])
	other[uint16(AttrAuth)][70] = 1
	missing := answer(t, true, AES)
	part := answer(t, true, algs...)
	part[uint16(AttrAuth)] = bytes.Clone(part[uint16(AttrAuth)])
	copy(part[uint16(AttrAuth)][68+20:], HMAC.key[20:24])
	for name, c := range map[string]struct {
		attrs map[uint16][]byte
		want  observe.Outcome
	}{
		"shown": {shown, observe.Allowed}, "hidden": {hidden, observe.Denied}, "one is shown": {mixed, observe.Allowed},
		"another key": {other, observe.Failed}, "no key": {missing, observe.Denied}, "a part": {part, observe.Allowed},
	} {
		if r := JudgeKeys("act", algs, c.attrs, all...); r.Outcome != c.want || (r.Effect == observe.Happened) != (c.want == observe.Allowed) {
			t.Errorf("%s: %s, want %s: %s %s", name, r.Outcome, c.want, r.Call, r.Why)
		}
	}
	if r := JudgeKeys("act", []Alg{GCM}, answer(t, false, GCM), AttrAEAD); r.Outcome != observe.Allowed || !strings.Contains(r.Call, "XFRMA_ALG_AEAD=97b0dde6") {
		t.Errorf("aead: %+v", r)
	}
	if r := JudgeName(GCM, answer(t, true, GCM)); r.Outcome != observe.Allowed {
		t.Errorf("name of a hidden key: %+v", r)
	}
}

func TestParsersTakeAnything(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, {0, 0, 0, 0}, {3, 0, 1, 0}, {200, 0, 1, 0, 7}} {
		if _, err := netlink.Attrs(b); len(b) >= 4 && err == nil {
			t.Errorf("attributes % x are accepted", b)
		}
		if _, _, err := parseAssociation(xfrmDelSA, b); err == nil {
			t.Errorf("association % x is accepted", b)
		}
		if _, _, err := parseKey(AttrAEAD, b); err == nil {
			t.Errorf("key % x is accepted", b)
		}
	}
	short := association{spi: 1, algs: []Alg{HMAC}}.encode()
	_, attrs, _ := parseAssociation(xfrmNewSA, short)
	data := bytes.Clone(attrs[uint16(AttrAuth)])
	data[64]++ // a bit more than there is
	if _, _, err := parseKey(AttrAuth, data); err == nil {
		t.Error("a key that is not all there is accepted")
	}
}

func TestParsePFKey(t *testing.T) {
	msg := make([]byte, sadbMsgLen)
	msg = append(msg, 1, 0, 1, 0, 9, 9, 9, 9)            // SADB_EXT_SA
	msg = append(msg, 2, 0, sadbKeyAuth, 0, 32, 0, 0, 0) // 32 bits of key
	msg = append(msg, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0)
	if got := hex.EncodeToString(parsePFKey(msg)); got != "deadbeef" {
		t.Errorf("key is %q", got)
	}
	for n := range msg {
		if got := parsePFKey(msg[:n]); got != nil {
			t.Errorf("a message of %d bytes has the key %x", n, got)
		}
	}
	msg[sadbMsgLen+8+4] = 200 // more bits than the extension has
	if got := parsePFKey(msg); got != nil {
		t.Errorf("key beyond its extension: %x", got)
	}
}

// TestKeys: a part of one key is in no other, and a probe's association never has
// a key of zeros.
func TestKeys(t *testing.T) {
	for _, list := range others {
		for _, o := range list {
			if got := keyOf(o.algs, o.look); len(got) == 0 || bytes.Equal(got, make([]byte, len(got))) {
				t.Errorf("%s: key %x", o.name, got)
			}
		}
	}
	if disclosed(AES.key, HMAC.key) || disclosed(GCM.key, AES.key) || disclosed(nil, AES.key) || disclosed(AES.key, nil) {
		t.Error("a key discloses another")
	}
	if b := key(0xa5, 1); !disclosed(b, b) || disclosed([]byte{0}, b) {
		t.Error("a key of a byte")
	}
}
