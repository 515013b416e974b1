package physmem

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const KcoreFile = "/proc/kcore"

func WithKcore(act func(fd int) observe.Report) observe.Report {
	return NoKcore(observe.WithFile(KcoreFile, unix.O_RDONLY, act))
}

func NoKcore(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_PROC_KCORE", unix.ENOENT)
}

func ReadKcoreHeader(fd int) observe.Report {
	var b [4]byte
	_, err := unix.Pread(fd, b[:], 0)
	call := fmt.Sprintf("pread(%q, %q, 4, 0)", KcoreFile, b[:])
	if err == nil && string(b[:]) != "\x7fELF" {
		return observe.Report{Outcome: observe.Failed, Call: observe.CallText(call, nil), Why: "no ELF header"}
	}
	return observe.FromError(call, err)
}
