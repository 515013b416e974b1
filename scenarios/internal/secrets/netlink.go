package secrets

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
)

// talk sends one message on a socket of its own and returns the answers, up to the
// acknowledgement or the end of a dump.
func talk(family int, typ, flags uint16, data []byte) (list []syscall.NetlinkMessage, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, family)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := netlink.Send(fd, typ, unix.NLM_F_REQUEST|flags, data); err != nil {
		return nil, err
	}
	for {
		messages, err := netlink.Receive(fd)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			if m.Header.Type == unix.NLMSG_DONE || m.Header.Type == unix.NLMSG_ERROR {
				return list, nil
			}
			list = append(list, m)
		}
	}
}

// attr is one netlink attribute.
func attr(typ uint16, data []byte) []byte { return netlink.AppendAttr(nil, typ, data) }

// find returns the attribute of the type behind a header; nil if there is none.
func find(b []byte, header int, typ uint16) []byte {
	attrs, err := netlink.Attrs(b[min(header, len(b)):])
	if err != nil {
		return nil
	}
	return attrs[typ]
}
