package kexec

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// A 32-bit program must name the machine that the image is for: flags of
// include/uapi/linux/kexec.h, v6.12.
var nativeArch = map[string]uintptr{"amd64": 62 << 16, "arm64": 183 << 16}

// LoadCompat is Load by the kexec_load of 32-bit programs, which has a check of
// its own (kernel/kexec.c:COMPAT_SYSCALL_DEFINE4, v6.12).
func LoadCompat(flags uintptr, segments int) observe.Report {
	s := slot{flags&OnCrash != 0}
	at, _, err := s.place()
	flags |= nativeArch[runtime.GOARCH]
	call := fmt.Sprintf("32-bit kexec_load(%#x, %d, {one page each}, %#x)", at, segments, flags)
	if err != nil {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/iomem")`, Why: err.Error()}
	}
	if r, ok := s.empty(); !ok {
		return r
	}
	list := compatPages(uint32(at), segments, os.Getpagesize())
	err = compat.KexecLoad.Do(compat.Word(at), compat.Word(segments), list, compat.Word(flags))
	r := compat.Report(call, err)
	return s.lookAndUnload(observe.UnavailableIf(r, "CONFIG_KEXEC", unix.ENOSYS))
}

// compatPages are segments of one page each: struct compat_kexec_segment,
// include/linux/kexec.h, v6.12. Their content is the list itself.
func compatPages(at uint32, segments, page int) compat.Buffer {
	b := compat.Buffer{Data: make([]byte, page)}
	for i := range segments {
		le, s := binary.LittleEndian, b.Data[i*16:]
		b.SelfAt = append(b.SelfAt, i*16)
		le.PutUint32(s[4:], uint32(page))
		le.PutUint32(s[8:], at+uint32(i*page))
		le.PutUint32(s[12:], uint32(page))
	}
	return b
}
