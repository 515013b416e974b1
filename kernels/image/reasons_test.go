package image

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

func TestReasonsOf(t *testing.T) {
	kernel := []byte("\x7fELF and code")
	for _, r := range lockdown.Reasons() {
		if r.Reason != "xen_user_actions" {
			kernel = append(append(kernel, r.Label...), 0)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(kernel)
	w.Close()
	bzImage := make([]byte, 1024, 4096)
	bzImage[0x1f1] = 1
	copy(bzImage[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(bzImage[0x24c:], uint32(packed.Len())+4)
	bzImage = append(append(bzImage, packed.Bytes()...), 1, 2, 3, 4) // the kernel's size
	for name, data := range map[string][]byte{"vmlinux": kernel, "bzImage": bzImage} {
		has := reasonsOf(textsOf(contentOf(data)))
		if lacking := has.Lacking(); len(lacking) != 1 || lacking[0] != "xen_user_actions" {
			t.Errorf("%s lacks %q", name, lacking)
		}
	}
	xz := bytes.Clone(bzImage)
	xz[1024] = 0xfd
	cut := bytes.Clone(bzImage)[:1100]
	for name, data := range map[string][]byte{"another compression": xz, "cut": cut, "no texts": []byte("\x7fELF"), "few texts": kernel[:200], "empty": nil} {
		if has := reasonsOf(textsOf(contentOf(data))); has != nil {
			t.Errorf("%s: %d reasons", name, len(has))
		}
	}
}

// A kernel without the lockdown LSM has no text of it; what shows no text of a kernel
// may have one.
func TestLacksLockdown(t *testing.T) {
	for text, want := range map[string]bool{
		"Linux version 6.12\x00": true,
		"Linux version 6.12\x00\x015Kernel is locked down from %s; see man kernel_lockdown.7\n\x00": false,
		"compressed": false, "": false,
	} {
		if got := lacksLockdown([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
