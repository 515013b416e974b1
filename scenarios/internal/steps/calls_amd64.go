package steps

import "golang.org/x/sys/unix"

var own = map[string]uintptr{"ioperm": unix.SYS_IOPERM, "iopl": unix.SYS_IOPL}
