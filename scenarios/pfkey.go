package scenarios

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// What is used of include/uapi/linux/pfkeyv2.h, v6.12.
const (
	pfkeyV2       = 2  // PF_KEY_V2
	sadbDump      = 10 // SADB_DUMP
	sadbSAESP     = 3  // SADB_SATYPE_ESP
	sadbKeyAuth   = 8  // SADB_EXT_KEY_AUTH
	sadbMsgLen    = 16
	sadbKeyHeader = 8
)

// pfkeyProbe makes an association as the other probes do and has PF_KEY dump
// it, with its keys.
func pfkeyProbe(ctx context.Context) Result {
	const act = "SADB_DUMP"
	fd, err := unix.Socket(unix.AF_KEY, unix.SOCK_RAW|unix.SOCK_CLOEXEC, pfkeyV2)
	if err != nil {
		return absent(judge("socket(AF_KEY, SOCK_RAW, PF_KEY_V2)", err), "CONFIG_NET_KEY", unix.EAFNOSUPPORT)
	}
	defer unix.Close(fd)
	if err := receiveUntil(ctx, fd); err != nil {
		return failed("setsockopt(SO_RCVTIMEO)", err)
	}
	return withSA(ctx, []xfrmAlg{hmacAlg, aesAlg}, func(xfrmLink, xfrmSA) Result {
		key, err := pfkeyKey(fd)
		if err != nil {
			return failed(act, err)
		}
		r := judge(fmt.Sprintf("%s = {SADB_EXT_KEY_AUTH=%.4x...}", act, key), nil)
		switch {
		case bytes.Equal(key, hmacAlg.key):
		case bytes.Equal(key, make([]byte, len(hmacAlg.key))):
			r.Outcome = Denied // as xfrm_user would
		default:
			r.Outcome, r.Why = Failed, "neither the key nor zeros"
		}
		return r
	})
}

// pfkeyKey asks for a dump of all ESP associations and gives the key of the
// first authentication algorithm in it.
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

// parsePFKey gives the authentication key of a PF_KEY message, nil if it has
// none. Lengths are counted in 8 bytes.
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
