package ownpage

import (
	"bytes"
	"testing"
)

func TestPattern(t *testing.T) {
	a, b := Pattern(make([]byte, 4096)), Pattern(make([]byte, 4096))
	if bytes.Equal(a, b) || bytes.Equal(a[:8], b[:8]) || bytes.Equal(a[:8], a[8:16]) {
		t.Errorf("patterns repeat: % x, % x, % x", a[:8], a[8:16], b[:8])
	}
	if bytes.IndexByte(a, 0) >= 0 {
		t.Error("a pattern has a byte of 0")
	}
	if n := len(Pattern(make([]byte, 3))); n != 3 {
		t.Errorf("%d bytes, want 3", n)
	}
}

func TestFrame(t *testing.T) {
	if at, err := frame(pagemapPresent|0x1234, 4096); err != nil || at != 0x1234000 {
		t.Errorf("got %#x, %v", at, err)
	}
	for _, entry := range []uint64{0, 0x1234, pagemapPresent} {
		if at, err := frame(entry, 4096); err == nil {
			t.Errorf("entry %#x is at %#x", entry, at)
		}
	}
}

func TestPage(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Skip(err) // a limit on locked memory
	}
	defer p.Close()
	before := bytes.Clone(p.Bytes)
	if p.Fill(); bytes.Equal(before, p.Bytes) || p.Address() == 0 {
		t.Error("the page keeps its pattern")
	}
}
