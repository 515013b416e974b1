package xfrm

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
)

// Constants from include/uapi/linux/xfrm.h, v6.12.
const (
	xfrmNewSA = 0x10 // XFRM_MSG_NEWSA
	xfrmDelSA = 0x11 // XFRM_MSG_DELSA
	xfrmGetSA = 0x12 // XFRM_MSG_GETSA
	xfrmUpdSA = 0x1a // XFRM_MSG_UPDSA

	xfrmGroupSA = 3 // XFRMNLGRP_SA

	attrProto = 25 // XFRMA_PROTO
	espProto  = 50 // IPPROTO_ESP
)

// An Attr is an attribute that has a key.
type Attr uint16

const (
	AttrAuth      Attr = 1
	AttrCrypt     Attr = 2
	AttrAEAD      Attr = 18
	AttrAuthTrunc Attr = 20
)

func (a Attr) String() string {
	return map[Attr]string{AttrAuth: "XFRMA_ALG_AUTH", AttrCrypt: "XFRMA_ALG_CRYPT", AttrAEAD: "XFRMA_ALG_AEAD", AttrAuthTrunc: "XFRMA_ALG_AUTH_TRUNC"}[a]
}

// head is the length of the data before the key, in bytes: a name of 64, the
// key's length in bits, and a field that struct xfrm_algo lacks.
func (a Attr) head() int {
	if a == AttrAuthTrunc || a == AttrAEAD {
		return 72
	}
	return 68
}

// xfrmUserSA is struct xfrm_usersa_info. The lab's machines are little endian;
// byte arrays are in network order.
type xfrmUserSA struct {
	Sel        [56]byte
	Dst        [16]byte
	SPI        [4]byte
	Proto      uint8
	_          [3]byte
	Src        [16]byte
	Limits     [8]uint64
	Lifetime   [4]uint64
	Stats      [3]uint32
	Seq, ReqID uint32
	Family     uint16
	Mode       uint8
	ReplayWin  uint8
	Flags      uint8
	_          [7]byte
}

// xfrmUserID is struct xfrm_usersa_id.
type xfrmUserID struct {
	Dst    [16]byte
	SPI    [4]byte
	Family uint16
	Proto  uint8
	_      uint8
}

// An Alg is one algorithm of a security association, with its key.
type Alg struct {
	Attr  Attr
	Name  string
	param uint32 // length of the integrity check value, in bits, if the attribute has one
	key   []byte
}

// An association is an ESP security association between two documentation
// addresses (RFC 5737). Nothing is sent on it.
type association struct {
	spi  uint32
	algs []Alg
	mode uint8 // 0: transport
}

// tunnel is XFRM_MODE_TUNNEL.
const tunnel = 1

func (s association) id() xfrmUserID {
	id := xfrmUserID{Family: 2, Proto: espProto} // AF_INET
	copy(id.Dst[:], []byte{192, 0, 2, 2})
	binary.BigEndian.PutUint32(id.SPI[:], s.spi)
	return id
}

// encode returns the association as the payload of XFRM_MSG_NEWSA.
func (s association) encode() []byte {
	id := s.id()
	sa := xfrmUserSA{Dst: id.Dst, SPI: id.SPI, Proto: id.Proto, Family: id.Family, Mode: s.mode}
	copy(sa.Src[:], []byte{192, 0, 2, 1})
	for i := range 4 { // no limit on bytes and packets; 0 means "never" for times
		sa.Limits[i] = ^uint64(0)
	}
	b := netlink.Encode(sa)
	for _, a := range s.algs {
		alg := make([]byte, a.Attr.head(), a.Attr.head()+len(a.key))
		copy(alg, a.Name)
		binary.LittleEndian.PutUint32(alg[64:], uint32(8*len(a.key)))
		if len(alg) > 68 {
			binary.LittleEndian.PutUint32(alg[68:], a.param)
		}
		b = netlink.AppendAttr(b, uint16(a.Attr), append(alg, a.key...))
	}
	return b
}

// parseAssociation returns the attributes of a message about an association,
// and its SPI. XFRM_MSG_NEWSA and XFRM_MSG_DELSA begin with different structs.
func parseAssociation(typ uint16, data []byte) (spi uint32, attrs map[uint16][]byte, err error) {
	head, at := binary.Size(xfrmUserSA{}), 56+16
	if typ == xfrmDelSA {
		head, at = binary.Size(xfrmUserID{}), 16
	}
	if len(data) < head {
		return 0, nil, fmt.Errorf("parse association: %d bytes of %d", len(data), head)
	}
	attrs, err = netlink.Attrs(data[head:])
	return binary.BigEndian.Uint32(data[at:]), attrs, err
}

// parseKey returns the name and the key of an algorithm's attribute.
func parseKey(a Attr, data []byte) (name string, key []byte, err error) {
	if len(data) < a.head() {
		return "", nil, fmt.Errorf("parse %s: %d bytes of %d", a, len(data), a.head())
	}
	name, key = string(bytes.TrimRight(data[:64], "\x00")), data[a.head():]
	if bits := binary.LittleEndian.Uint32(data[64:]); uint64(bits) != 8*uint64(len(key)) {
		return "", nil, fmt.Errorf("parse %s: %d bits in %d bytes", a, bits, len(key))
	}
	return name, key, nil
}
