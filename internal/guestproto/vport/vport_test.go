package vport

import (
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"strings"
	"testing"
)

// A word is a message of one field.
type word string

func (w *word) Fields(c *Codec) { Text(c, w) }

// TestPreamble has a preamble, full and empty, come back as it was.
func TestPreamble(t *testing.T) {
	for _, p := range []Preamble{{}, {Version, []byte("host key"), []byte("client key"), bytes.Repeat([]byte{7}, 32), 1 << 62}, {UnixNano: -1}} {
		var b bytes.Buffer
		var got Preamble
		if err := Write(&b, &p); err != nil {
			t.Fatal(err)
		}
		if err := Read(&b, &got); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("Read: %+v, %v; want %+v", got, err, p)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	var b bytes.Buffer
	for _, s := range []word{"", "one", word(strings.Repeat("x", 100000))} {
		if err := Write(&b, &s); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []word{"", "one", word(strings.Repeat("x", 100000))} {
		var got word
		if err := Read(&b, &got); err != nil || got != want {
			t.Fatalf("Read: %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	var s word
	if err := Read(&b, &s); err != io.EOF {
		t.Errorf("Read at the end: %v, want EOF", err)
	}
}

func TestWriteBounds(t *testing.T) {
	var b bytes.Buffer
	long := word(strings.Repeat("x", MaxMessage))
	if err := Write(&b, &long); err == nil || b.Len() != 0 {
		t.Errorf("an oversized message: %v, %d bytes written", err, b.Len())
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
		{"another message", head(4) + "abcd", "decode"},
		{"console text", "[    0.000000] Linux version", "exceeds"},
		{"a field longer than the message", head(3) + "\x01\x02x", "decode"},
		{"a field of 16 EiB", head(11) + "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "decode"},
		{"a number of 11 bytes", head(12) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "decode"},
		{"a version of 9 bits", head(6) + "\x80\x02\x00\x00\x00\x00", "decode"},
		{"more than a message", head(6) + "\x00\x00\x00\x00\x00\x00", "decode"},
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
