package serial

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/compat"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// SetCompat is Set by the TIOCSSERIAL of 32-bit programs, which goes another way to
// the driver (drivers/tty/tty_io.c:compat_tty_tiocsserial, v6.12). The look is
// that of a 64-bit program.
func SetCompat(fd int, what string, change func(*Struct)) observe.Report {
	var failed error
	r := set(Port, func(s *Struct, cmd uintptr) error {
		if cmd != unix.TIOCSSERIAL {
			return s.Ioctl(fd, cmd)
		}
		err := compat.Ioctl.Do(compat.FD(fd), compat.Word(cmd), compat.Buffer{Data: s.compat()})
		if failed == nil {
			failed = err
		}
		return err
	}, "by a 32-bit program: "+what, change)
	return compat.Absent(r, failed)
}

// GetCompat is the TIOCGSERIAL of 32-bit programs.
func GetCompat(fd int) observe.Report {
	buffer := compat.Buffer{Data: new(Struct).compat()}
	return compat.Report(`32-bit ioctl("`+Port+`", TIOCGSERIAL)`, compat.Ioctl.Do(compat.FD(fd), compat.Word(unix.TIOCGSERIAL), buffer))
}

// compat is struct serial_struct32: drivers/tty/tty_io.c, v6.12.
func (s *Struct) compat() []byte {
	le := binary.LittleEndian
	var b []byte
	for _, w := range []uint32{
		uint32(s.Type), uint32(s.Line), s.Port, uint32(s.IRQ),
		uint32(s.Flags), uint32(s.XmitFIFOSize), uint32(s.CustomDivisor), uint32(s.BaudBase),
	} {
		b = le.AppendUint32(b, w)
	}
	b = le.AppendUint16(b, s.CloseDelay)
	b = append(b, s.IOType, 0)
	b = le.AppendUint32(b, uint32(s.Hub6))
	b = le.AppendUint16(b, s.ClosingWait)
	b = append(b, 0, 0)
	b = le.AppendUint32(b, uint32(s.IomemBase))
	b = le.AppendUint16(b, s.IomemRegShift)
	b = append(b, 0, 0)
	b = le.AppendUint32(b, s.PortHigh)
	return append(b, 0, 0, 0, 0)
}
