package ports

import (
	"fmt"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// RangeCompat is Range by the ioperm of 32-bit programs.
func RangeCompat(from, n, on int, look uint16) observe.Report {
	return tryCompat(fmt.Sprintf("32-bit ioperm(%#x, %#x, %d)", from, n, on), look,
		func() error { return compat.Ioperm.Do(compat.Word(from), compat.Word(n), compat.Word(on)) },
		func() { Ioperm(from, n, 0) })
}

// LevelCompat is Levels by the iopl of 32-bit programs, with one level.
func LevelCompat(level int) observe.Report {
	return tryCompat(fmt.Sprintf("32-bit iopl(%d)", level), POSTPort,
		func() error { return compat.Iopl.Do(compat.Word(level)) },
		func() { Iopl(0) })
}

func tryCompat(call string, look uint16, grant func() error, takeBack func()) observe.Report {
	var failed error
	r := Try(call, look, func() error { failed = grant(); return failed }, takeBack)
	return compat.Absent(r, failed)
}
