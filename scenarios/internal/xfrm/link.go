// Package xfrm makes IPsec security associations and reads their keys back.
package xfrm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// labSPI is the index of the probes' association; only one exists at a time.
const labSPI = 0x1d1ab

// A Way is a way in which the kernel discloses an association.
type Way struct {
	Call string
	typ  uint16 // of the message that carries the association
}

var (
	Get          = Way{"XFRM_MSG_GETSA", xfrmNewSA}
	Dump         = Way{"XFRM_MSG_GETSA|NLM_F_DUMP", xfrmNewSA}
	DumpESP      = Way{"XFRM_MSG_GETSA|NLM_F_DUMP, XFRMA_PROTO", xfrmNewSA}
	NotifyNew    = Way{"XFRM_MSG_NEWSA notification", xfrmNewSA}
	NotifyUpdate = Way{"XFRM_MSG_UPDSA notification", xfrmUpdSA}
	NotifyDelete = Way{"XFRM_MSG_DELSA notification", xfrmDelSA}
)

// Probe makes an association, triggers the message of the way, and judges its
// attributes.
func Probe(ctx context.Context, way Way, algs []Alg, look func(attrs map[uint16][]byte) observe.Report) observe.Report {
	return probe(ctx, way, association{spi: labSPI, algs: algs}, look)
}

func probe(ctx context.Context, way Way, sa association, look func(attrs map[uint16][]byte) observe.Report) observe.Report {
	// Notifications have their own socket, apart from answers.
	notified, r := connect(ctx, 1<<(xfrmGroupSA-1))
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(int(notified))
	return withSA(ctx, sa, func(link conn) observe.Report {
		from := link
		var err error
		switch way {
		case Get:
			err = link.send(xfrmGetSA, unix.NLM_F_REQUEST, netlink.Encode(sa.id()))
		case Dump:
			err = link.send(xfrmGetSA, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, nil)
		case DumpESP:
			err = link.send(xfrmGetSA, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, netlink.AppendAttr(nil, attrProto, []byte{espProto}))
		case NotifyDelete:
			err = link.del(sa)
			from = notified
		case NotifyNew:
			from = notified
		case NotifyUpdate:
			err = link.request(xfrmUpdSA, unix.NLM_F_REQUEST|unix.NLM_F_ACK, sa.encode())
			from = notified
		}
		if err != nil {
			return observe.SetupFailed(way.Call, err)
		}
		attrs, err := from.await(way.typ, sa.spi)
		if err != nil {
			return observe.SetupFailed(way.Call, err)
		}
		return look(attrs)
	})
}

// withSA makes an association, performs an act, and deletes it.
func withSA(ctx context.Context, sa association, act func(link conn) observe.Report) observe.Report {
	link, r := connect(ctx, 0)
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(int(link))
	if r := link.add(sa); r.Outcome != observe.Allowed {
		return r
	}
	r = act(link)
	// Closing the socket drops unread answers of the act.
	again, a := connect(ctx, 0)
	if a.Outcome != observe.Allowed {
		return a
	}
	defer unix.Close(int(again))
	if err := again.del(sa); err != nil && err != unix.ESRCH {
		return observe.SetupFailed("XFRM_MSG_DELSA", err)
	}
	return r
}

// A conn is a netlink socket of NETLINK_XFRM.
type conn int

func connect(ctx context.Context, groups uint32) (conn, observe.Report) {
	const call = "socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM)"
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_XFRM)
	if err != nil {
		return -1, observe.UnavailableIf(observe.FromError(call, err), "CONFIG_XFRM_USER", unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT)
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err == nil {
		err = receiveUntil(ctx, fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, observe.SetupFailed(call, err)
	}
	return conn(fd), observe.FromError(call, nil)
}

// receiveUntil makes a socket's receive fail when the context ends.
func receiveUntil(ctx context.Context, fd int) error {
	end, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	tv := unix.NsecToTimeval(max(time.Until(end), time.Millisecond).Nanoseconds())
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
}

// add creates the association.
func (l conn) add(sa association) observe.Report {
	r := observe.FromError("XFRM_MSG_NEWSA", l.request(xfrmNewSA, unix.NLM_F_REQUEST|unix.NLM_F_ACK, sa.encode()))
	if r.Outcome == observe.Denied {
		r.Outcome, r.Why = observe.Failed, "lockdown does not check creating an association"
	}
	return observe.UnavailableIf(r, "CONFIG_INET_ESP", unix.EPROTONOSUPPORT)
}

// del deletes the association.
func (l conn) del(sa association) error {
	return l.request(xfrmDelSA, unix.NLM_F_REQUEST|unix.NLM_F_ACK, netlink.Encode(sa.id()))
}

func (l conn) send(typ, flags uint16, data []byte) error {
	return netlink.Send(int(l), typ, flags, data)
}

// request sends a message and waits for its acknowledgement.
func (l conn) request(typ, flags uint16, data []byte) error {
	if err := l.send(typ, flags, data); err != nil {
		return err
	}
	msgs, err := netlink.Receive(int(l))
	if err == nil && (len(msgs) == 0 || msgs[0].Header.Type != unix.NLMSG_ERROR) {
		err = errors.New("no acknowledgement")
	}
	return err
}

// maxDatagrams bounds the search for one message.
const maxDatagrams = 64

// await waits for a message of the type about the association.
func (l conn) await(typ uint16, spi uint32) (map[uint16][]byte, error) {
	for range maxDatagrams {
		msgs, err := netlink.Receive(int(l))
		if err != nil {
			return nil, err
		}
		for _, m := range msgs {
			if m.Header.Type == unix.NLMSG_DONE {
				return nil, errors.New("the association is not in the dump")
			}
			if m.Header.Type != typ {
				continue
			}
			got, attrs, err := parseAssociation(typ, m.Data)
			if err != nil || got == spi {
				return attrs, err
			}
		}
	}
	return nil, fmt.Errorf("no message of the association in %d datagrams", maxDatagrams)
}
