package observe

import (
	"golang.org/x/sys/unix"
)

// MaxAnswer bounds what is kept of a file's content, in bytes.
const MaxAnswer = 4096

// WriteOnce writes one whole command with one write(2) or pwrite(2).
func WriteOnce(fd int, data string, at int64) error {
	var n int
	var err error
	if at != 0 {
		n, err = unix.Pwrite(fd, []byte(data), at)
	} else {
		n, err = unix.Write(fd, []byte(data))
	}
	if err == nil && n != len(data) {
		return unix.EMSGSIZE // a partial write, which the model never returns
	}
	return err
}

// ReadAll reads to the end, from the descriptor's position or from offset at.
func ReadAll(fd int, at int64) (data, err string) {
	var text []byte
	for buf := make([]byte, 512); len(text) < MaxAnswer; {
		var n int
		var e error
		if at != 0 {
			n, e = unix.Pread(fd, buf, at+int64(len(text)))
		} else {
			n, e = unix.Read(fd, buf)
		}
		if e != nil {
			return string(text), ErrnoName(e)
		}
		if n == 0 {
			break
		}
		text = append(text, buf[:n]...)
	}
	return string(text), ""
}
