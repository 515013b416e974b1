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

// TestPreamble reads a preamble, full and empty, as it was written.
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

// TestReadRefuses gives Read what a hostile or broken guest may send.
func TestReadRefuses(t *testing.T) {
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

// A mix is a message with each kind of field.
type mix struct {
	N     int64
	Small uint8
	B     bool
	T     string
	L     []string
	P     *word
}

func (m *mix) Fields(c *Codec) {
	Number(c, &m.N)
	Number(c, &m.Small)
	Bool(c, &m.B)
	Text(c, &m.T)
	List(c, &m.L, Text[string])
	Present(c, &m.P, func(c *Codec, w *word) { w.Fields(c) })
}

// encoded is a message as Write writes it.
func encoded(t testing.TB, msg Message) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, msg); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzRead checks that bytes which are a message are its only encoding, and that
// Read takes no byte after it.
func FuzzRead(f *testing.F) {
	some := word("text")
	f.Add(encoded(f, &Preamble{Version, []byte("host key"), []byte("client key"), bytes.Repeat([]byte{7}, 32), -1}))
	f.Add(encoded(f, &mix{-1, 255, true, "\xff\x00", []string{"", "a"}, &some}))
	f.Add(append(encoded(f, new(Off)), "rest"...))
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, msg := range []Message{new(Preamble), new(mix), new(Off), new(word)} {
			r := bytes.NewReader(in)
			err := Read(r, msg)
			if (err == io.EOF) != (len(in) == 0) {
				t.Errorf("%T: %d bytes give %v", msg, len(in), err)
			}
			if err != nil {
				continue
			}
			read := in[:len(in)-r.Len()]
			if again := encoded(t, msg); !bytes.Equal(again, read) {
				t.Errorf("%T: read %x, which is written as %x", msg, read, again)
			}
		}
	})
}

// TestOneEncoding: a number that is padded with zeros is refused, because a
// message has one encoding.
func TestOneEncoding(t *testing.T) {
	for _, in := range []string{"\x00\x00\x00\x03\x82\x00x", "\x00\x00\x00\x05\x81\x80\x80\x00x"} {
		if err := Read(strings.NewReader(in), new(word)); err == nil {
			t.Errorf("%x is read as a text", in)
		}
	}
}
