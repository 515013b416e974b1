package kexec

import (
	"encoding/binary"
	"testing"
)

func TestLastSigned(t *testing.T) {
	image := make([]byte, 0x200)
	binary.LittleEndian.PutUint32(image[0x3c:], 0x40)
	const entry = 0x40 + 24 + 112 + 4*8
	for begin, want := range map[uint32]int{0: -1, 0x180: 0x17f, 0x200: 0x1ff, 0x201: -1} {
		binary.LittleEndian.PutUint32(image[entry:], begin)
		if got := lastSigned(image); got != want {
			t.Errorf("signature at %#x: %#x, want %#x", begin, got, want)
		}
	}
	binary.LittleEndian.PutUint32(image[0x3c:], 0xffffff00)
	if lastSigned(image) != -1 || lastSigned(image[:8]) != -1 {
		t.Error("an image that is too short has a signature")
	}
}
