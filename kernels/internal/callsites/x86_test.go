package callsites

import (
	"encoding/hex"
	"testing"
)

// Lengths are those that objdump(1) of binutils 2.40 gives.
func TestDecodeX86(t *testing.T) {
	for _, c := range []struct {
		code string
		size int
		kind reference
	}{
		{"90", 1, noReference}, {"c3", 1, noReference}, {"f30f1efa", 4, noReference}, {"0f0b", 2, noReference},
		{"e811223344", 5, callOrJump}, {"e911223344", 5, callOrJump}, {"0f8411223344", 6, callOrJump}, {"2ee811223344", 6, callOrJump},
		{"ebfe", 2, shortJump}, {"7410", 2, shortJump}, {"e3fe", 2, noReference},
		{"488d3d11223344", 7, loadRelative}, {"488d7c2408", 5, noReference}, {"8d4701", 3, noReference},
		{"48c7c711223381", 7, loadNumber}, {"48c744240811223381", 9, loadNumber}, {"6811223381", 5, loadNumber}, {"66c704240100", 6, loadNumber},
		{"48b81122334455667788", 10, noReference}, {"b811223344", 5, noReference}, {"66b81122", 4, noReference},
		{"81ffa8000000", 6, noReference}, {"83ec08", 3, noReference}, {"6681f91122", 5, noReference},
		{"f6450801", 4, noReference}, {"f7c611223344", 6, noReference}, {"f7d8", 2, noReference}, {"66f7c31122", 5, noReference}, {"f6d1", 2, noReference},
		{"48a11122334455667788", 10, noReference}, {"c20800", 3, noReference}, {"c8102000", 4, noReference},
		{"8b042511223344", 7, noReference}, {"8b0511223344", 6, noReference}, {"8b8411223344aa", 7, noReference}, {"8b8411223344", 0, noReference}, {"418b44c708", 5, noReference},
		{"0fb6c0", 3, noReference}, {"0fbae007", 4, noReference}, {"480fc7f8", 4, noReference}, {"0fc9", 2, noReference}, {"0fa2", 2, noReference},
		{"660f3a0fc108", 6, noReference}, {"660f3800c1", 5, noReference}, {"660f70c04e", 5, noReference}, {"0f01ca", 3, noReference},
		{"c5f877", 3, noReference}, {"c5f96f07", 4, noReference}, {"c5f970c04e", 5, noReference}, {"c4e37d39c101", 6, noReference}, {"c4e27900c1", 5, noReference},
		{"62f1fd486f07", 6, noReference}, {"62f3fd4825c1ff", 7, noReference},
		{"e8112233", 0, noReference}, {"48", 0, noReference}, {"66", 0, noReference}, {"0f", 0, noReference}, {"c4", 0, noReference}, {"", 0, noReference},
	} {
		code, err := hex.DecodeString(c.code)
		if err != nil {
			t.Fatal(err)
		}
		if n := decodeX86(code); n.size != c.size || n.size > 0 && n.kind != c.kind {
			t.Errorf("%s: size %d, kind %d; want %d, %d", c.code, n.size, n.kind, c.size, c.kind)
		}
	}
}

// FuzzDecodeX86 reads anything as code: an instruction is within it.
func FuzzDecodeX86(f *testing.F) {
	f.Add([]byte("\x48\xc7\xc7\x11\x22\x33\x81\xe8\x00\x00\x00\x00\xeb\xfe"))
	f.Add([]byte("\xc4\x62\x62\x0f"))
	f.Fuzz(func(t *testing.T, code []byte) {
		if n := decodeX86(code); n.size < 0 || n.size > len(code) || n.size > 0 && n.kind != noReference && n.at >= n.size {
			t.Errorf("% x: %+v", code, n)
		}
		referencesX86(code, 0x1000, func(uint64, bool) {})
	})
}
