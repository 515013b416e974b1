// Package netlink encodes, sends and reads what the messages of every family of
// netlink(7) have in common.
package netlink

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Encode returns a struct of fixed size as it is in memory.
func Encode(v any) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, v) // writing to a buffer does not fail
	return b.Bytes()
}

// AppendAttr appends an attribute, padded to 4 bytes.
func AppendAttr(b []byte, typ uint16, data []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(data)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}

// Attrs returns attributes by type. It is an error if one is longer than the rest.
func Attrs(b []byte) (map[uint16][]byte, error) {
	attrs := map[uint16][]byte{}
	for len(b) >= 4 {
		n := int(binary.NativeEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return nil, fmt.Errorf("parse attributes: %d bytes of %d", n, len(b))
		}
		attrs[binary.NativeEndian.Uint16(b[2:])] = b[4:n]
		b = b[min((n+3)&^3, len(b)):]
	}
	return attrs, nil
}

// Send sends the kernel one message.
func Send(fd int, typ, flags uint16, data []byte) error {
	h := unix.NlMsghdr{Len: uint32(unix.NLMSG_HDRLEN + len(data)), Type: typ, Flags: flags, Seq: 1}
	return unix.Sendto(fd, append(Encode(h), data...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
}

// Receive returns the messages of one datagram; a negative acknowledgement is an
// error.
func Receive(fd int) ([]syscall.NetlinkMessage, error) {
	b := make([]byte, 64<<10)
	n, _, err := unix.Recvfrom(fd, b, 0)
	if err != nil {
		return nil, err
	}
	msgs, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil {
		return nil, err
	}
	for _, m := range msgs {
		if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return nil, unix.Errno(-code)
			}
		}
	}
	return msgs, nil
}
