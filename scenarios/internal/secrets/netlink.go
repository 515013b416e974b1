package secrets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// talk sends one message on a socket of its own and returns the answers, up to the
// acknowledgement or the end of a dump.
func talk(family int, typ, flags uint16, data []byte) (list []syscall.NetlinkMessage, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	h := unix.NlMsghdr{Len: uint32(unix.NLMSG_HDRLEN + len(data)), Type: typ, Flags: unix.NLM_F_REQUEST | flags, Seq: 1}
	if err := unix.Sendto(fd, append(encode(h), data...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	for b := make([]byte, 64<<10); ; {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(bytes.Clone(b[:n]))
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch m.Header.Type {
			case unix.NLMSG_DONE:
				return list, nil
			case unix.NLMSG_ERROR:
				return list, acknowledged(m.Data)
			}
			list = append(list, m)
		}
	}
}

// acknowledged is the error of an acknowledgement.
func acknowledged(data []byte) error {
	if len(data) < 4 {
		return errors.New("an acknowledgement without an error")
	}
	if code := int32(binary.NativeEndian.Uint32(data)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// encode returns a struct of fixed size as it is in memory.
func encode(v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, v) // writing to a buffer does not fail
	return b.Bytes()
}

// attr is a netlink attribute, padded to 4 bytes.
func attr(typ uint16, data []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}

// find returns the first attribute of the type; nil if there is none.
func find(b []byte, typ uint16) []byte {
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:]) == typ {
			return b[4:n]
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// decode reads a struct of fixed size as it is in memory.
func decode(b []byte, v any) error {
	_, err := binary.Decode(b, binary.NativeEndian, v)
	return err
}
