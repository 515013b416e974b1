package physmem

import "testing"

func TestRootPointer(t *testing.T) {
	b := make([]byte, 256)
	if at := rootPointer(b); at != -1 {
		t.Errorf("zeros have a root pointer at %d", at)
	}
	copy(b[64:], "RSD PTR ")
	if at := rootPointer(b); at != -1 {
		t.Errorf("a wrong checksum is accepted at %d", at)
	}
	var sum byte
	for _, c := range b[64:84] {
		sum += c
	}
	b[72] = -sum
	if at := rootPointer(b); at != 64 {
		t.Errorf("root pointer at %d, want 64", at)
	}
	if at := rootPointer(b[:80]); at != -1 {
		t.Errorf("root pointer at %d of memory that ends before", at)
	}
}
