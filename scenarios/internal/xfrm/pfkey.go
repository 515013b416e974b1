package xfrm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Constants from include/uapi/linux/pfkeyv2.h, v6.12.
const (
	pfkeyV2       = 2  // PF_KEY_V2
	sadbDump      = 10 // SADB_DUMP
	sadbSAESP     = 3  // SADB_SATYPE_ESP
	sadbKeyAuth   = 8  // SADB_EXT_KEY_AUTH
	sadbMsgLen    = 16
	sadbKeyHeader = 8
)

// PFKeyProbe makes an association as the other probes do and dumps it with its
// keys through PF_KEY.
func PFKeyProbe(ctx context.Context) observe.Report {
	const call = "SADB_DUMP"
	fd, err := unix.Socket(unix.AF_KEY, unix.SOCK_RAW|unix.SOCK_CLOEXEC, pfkeyV2)
	if err != nil {
		return observe.UnavailableIf(observe.FromError("socket(AF_KEY, SOCK_RAW, PF_KEY_V2)", err), "CONFIG_NET_KEY", unix.EAFNOSUPPORT)
	}
	defer unix.Close(fd)
	if err := receiveUntil(ctx, fd); err != nil {
		return observe.SetupFailed("setsockopt(SO_RCVTIMEO)", err)
	}
	return withSA(ctx, association{spi: labSPI, algs: []Alg{HMAC, AES}}, func(conn) observe.Report {
		key, err := pfkeyKey(fd)
		if err != nil {
			return observe.SetupFailed(call, err)
		}
		r := observe.FromError(fmt.Sprintf("%s = {SADB_EXT_KEY_AUTH=%.4x...}", call, key), nil)
		switch {
		case disclosed(key, HMAC.key):
		case bytes.Equal(key, make([]byte, len(HMAC.key))):
			r.Outcome = observe.Denied // like xfrm_user
		default:
			r.Outcome, r.Why = observe.Failed, "neither the key nor zeros"
		}
		return r.Saw(r.Outcome == observe.Allowed, "compared with the key of the association")
	})
}

// pfkeyKey dumps all ESP associations and returns the first authentication key.
func pfkeyKey(fd int) ([]byte, error) {
	b := make([]byte, sadbMsgLen, 4<<10)
	b[0], b[1], b[3] = pfkeyV2, sadbDump, sadbSAESP
	binary.LittleEndian.PutUint16(b[4:], sadbMsgLen/8)
	if _, err := unix.Write(fd, b); err != nil {
		return nil, err
	}
	for range maxDatagrams {
		n, err := unix.Read(fd, b[:cap(b)])
		if err != nil {
			return nil, err
		}
		if key := parsePFKey(b[:n]); key != nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key in %d messages", maxDatagrams)
}

// parsePFKey returns the authentication key of a PF_KEY message, or nil.
// Lengths count units of 8 bytes.
func parsePFKey(msg []byte) []byte {
	if len(msg) < sadbMsgLen {
		return nil
	}
	for b := msg[sadbMsgLen:]; len(b) >= sadbKeyHeader; {
		n := 8 * int(binary.LittleEndian.Uint16(b))
		if n == 0 || n > len(b) {
			return nil
		}
		if bits := int(binary.LittleEndian.Uint16(b[4:])); binary.LittleEndian.Uint16(b[2:]) == sadbKeyAuth && bits/8 <= n-sadbKeyHeader {
			return b[sadbKeyHeader : sadbKeyHeader+bits/8]
		}
		b = b[n:]
	}
	return nil
}
