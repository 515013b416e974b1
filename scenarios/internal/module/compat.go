package module

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// InitCompat is Init by the call of 32-bit programs.
func (j Junk) InitCompat() observe.Report {
	data := j.bytes()
	err := compat.InitModule.Do(compat.Buffer{Data: data}, compat.Word(len(data)), compat.Buffer{Data: []byte{0}})
	return compatJunk("32-bit init_module("+j.What+")", err)
}

// FinitCompat is Finit by the call of 32-bit programs.
func (j Junk) FinitCompat(flags int) observe.Report {
	fd, err := unix.MemfdCreate("junk", unix.MFD_CLOEXEC)
	if err == nil {
		defer unix.Close(fd)
		_, err = unix.Pwrite(fd, j.bytes(), 0)
	}
	if err != nil {
		return observe.SetupFailed("memfd_create", err)
	}
	err = compat.FinitModule.Do(compat.FD(fd), compat.Buffer{Data: []byte{0}}, compat.Word(flags))
	return compatJunk(fmt.Sprintf("32-bit finit_module(%s, %#x)", j.What, flags), err)
}

func compatJunk(call string, err error) observe.Report {
	r := compat.Report(call, err)
	if r.Outcome == observe.Unavailable {
		return r
	}
	return judgeJunk(call, r)
}
