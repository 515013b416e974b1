package vport

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	for _, s := range []string{"", "one", strings.Repeat("x", 100000)} {
		if err := Write(&b, s); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"", "one", strings.Repeat("x", 100000)} {
		var got string
		if err := Read(&b, &got); err != nil || got != want {
			t.Fatalf("Read: %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	var s string
	if err := Read(&b, &s); err != io.EOF {
		t.Errorf("Read at the end: %v, want EOF", err)
	}
}

func TestWriteBounds(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, strings.Repeat("x", MaxMessage)); err == nil || b.Len() != 0 {
		t.Errorf("an oversized message: %v, %d bytes written", err, b.Len())
	}
	if err := Write(&b, func() {}); err == nil {
		t.Error("what JSON cannot say: no error")
	}
}

// TestReadIsNotFooled gives Read what a hostile or broken guest may send.
func TestReadIsNotFooled(t *testing.T) {
	head := func(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
	for _, tc := range []struct{ name, in, want string }{
		{"half a length", "\x00\x00", "length"},
		{"half a message", head(10) + "{", "unexpected EOF"},
		{"no message", head(10), "unexpected EOF"},
		{"oversized", head(MaxMessage+1) + "x", "exceeds"},
		{"4 GiB", head(1<<32 - 1), "exceeds"},
		{"no JSON", head(4) + "abcd", "decode"},
		{"console text", "[    0.000000] Linux version", "exceeds"},
		{"JSON of another shape", head(2) + "[]", "decode"},
	} {
		var p Preamble
		err := Read(strings.NewReader(tc.in), &p)
		if err == nil || err == io.EOF || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error with %q", tc.name, err, tc.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Preamble
		if err := Read(bytes.NewReader(in), &p); err == nil && len(in) < 4 {
			t.Errorf("%d bytes made a message", len(in))
		}
	})
}
