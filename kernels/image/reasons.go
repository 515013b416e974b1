package image

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/ldlab/ldlab/kernels/internal/unpack"
	"github.com/ldlab/ldlab/lockdown"
)

// maxKernel bounds what is read of a kernel to find its texts, in bytes.
const maxKernel = 256 << 20

// textsOf is a kernel as it is in memory, in which its texts are; nil if it is
// compressed in a way that the lab does not undo.
func textsOf(c content) []byte {
	data, err := io.ReadAll(io.LimitReader(c.reader(), maxKernel))
	if err != nil {
		return nil
	}
	payload := payloadOf(data)
	if payload == nil {
		return data
	}
	f, ok := unpack.Of(payload)
	if !ok {
		return nil
	}
	// What follows the kernel, its size, is no error of it.
	data, _ = f.Unpack(bytes.NewReader(payload), maxKernel)
	return data
}

// lacksLockdown reports whether a kernel that shows its texts (see textsOf) has not that
// of the lockdown LSM (lock_kernel_down in security/lockdown/lockdown.c, v5.4 to v7.2).
// The texts of reasons are in every kernel with security modules.
func lacksLockdown(data []byte) bool {
	return bytes.Contains(data, []byte(banner)) && !bytes.Contains(data, []byte("Kernel is locked down from "))
}

// reasonsOf lists those of the lab's reasons whose texts a kernel has (see textsOf);
// nil if it does not show its texts, or has no lockdown. Reasons that the lab does not
// know cannot be told from other texts.
func reasonsOf(data []byte) lockdown.KernelReasons {
	// A compiler may store a text as the end of a longer one, but each ends with a
	// NUL. A kernel has all but a few of the texts, or it is none that shows them.
	var list lockdown.KernelReasons
	for _, r := range lockdown.Reasons() {
		if bytes.Contains(data, append([]byte(r.Label), 0)) {
			list = append(list, r)
		}
	}
	if len(list) < len(lockdown.Reasons())/2 {
		return nil
	}
	return list
}

// payloadOf is the compressed kernel in a bzImage; nil if it is none. Fields of the
// header are those of Documentation/arch/x86/boot.rst, v6.12: setup_sects at 0x1f1,
// payload_offset at 0x248, and payload_length at 0x24c.
func payloadOf(data []byte) []byte {
	if len(data) < 0x250 || string(data[0x202:0x206]) != "HdrS" {
		return nil
	}
	setup := uint64(data[0x1f1])
	if setup == 0 {
		setup = 4
	}
	start := (setup+1)*512 + uint64(binary.LittleEndian.Uint32(data[0x248:]))
	end := start + uint64(binary.LittleEndian.Uint32(data[0x24c:]))
	if end > uint64(len(data)) {
		return []byte{}
	}
	return data[start:end]
}
