package secrets

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Calls that read keys of TCP.
const (
	MD5Call = "SOCK_DIAG_BY_FAMILY of a listening socket: INET_DIAG_MD5SIG"
	TLSCall = "getsockopt(SOL_TLS, TLS_TX)"
)

// diagMD5 is INET_DIAG_MD5SIG, whose data is a list of struct tcp_diag_md5sig.
const diagMD5 = 18

// md5Key is struct tcp_md5sig.
type md5Key struct {
	Family        uint16
	_             uint16
	Address       [4]byte
	_             [120]byte
	Flags, Prefix uint8
	Length        uint16
	Device        int32
	Key           [80]byte
}

// diagRequest is struct inet_diag_req_v2.
type diagRequest struct {
	Family, Protocol, Extensions, _ uint8
	States                          uint32
	ID                              [48]byte
}

// MD5 gives a listening socket a key for a peer (RFC 2385) and reads it from the
// list of sockets.
func MD5() observe.Report {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return observe.SetupFailed("socket(AF_INET, SOCK_STREAM)", err)
	}
	defer unix.Close(fd)
	key := newKey(16)
	option := md5Key{Family: unix.AF_INET, Address: [4]byte{192, 0, 2, 1}, Length: uint16(len(key))} // RFC 5737
	copy(option.Key[:], key)
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, string(netlink.Encode(option))); err != nil {
		return observe.UnavailableIf(observe.SetupFailed("setsockopt(TCP_MD5SIG)", err), "CONFIG_TCP_MD5SIG", unix.ENOPROTOOPT)
	}
	if err := unix.Listen(fd, 1); err != nil {
		return observe.SetupFailed("listen", err)
	}
	port, err := portOf(fd)
	if err != nil {
		return observe.SetupFailed("getsockname", err)
	}
	const listening, info = 10, 2 // TCP_LISTEN; INET_DIAG_INFO, with which the keys come
	request := diagRequest{Family: unix.AF_INET, Protocol: unix.IPPROTO_TCP, Extensions: 1 << (info - 1), States: 1 << listening}
	answers, err := talk(unix.NETLINK_SOCK_DIAG, unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP, netlink.Encode(request))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(MD5Call, err), Why: "CONFIG_INET_TCP_DIAG"}
	}
	if err != nil {
		return observe.FromError(MD5Call, err).Saw(false, "there is no answer")
	}
	const head, sourcePort = 72, 4 // of struct inet_diag_msg
	for _, m := range answers {
		if len(m.Data) >= head && binary.BigEndian.Uint16(m.Data[sourcePort:]) == port {
			return read(MD5Call, find(m.Data, head, diagMD5), key)
		}
	}
	return observe.SetupFailed(MD5Call, errors.New("the socket is not in the list"))
}

// portOf is the port that the kernel has given a socket.
func portOf(fd int) (uint16, error) {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	if in, ok := name.(*unix.SockaddrInet4); ok {
		return uint16(in.Port), nil
	}
	return 0, errors.New("no address of IPv4")
}

// tlsKey is struct tls12_crypto_info_aes_gcm_128.
type tlsKey struct {
	Version, Cipher uint16
	IV              [8]byte
	Key             [16]byte
	Salt            [4]byte
	Sequence        [8]byte
}

// Of kernel TLS: include/uapi/linux/tls.h, v6.12.
const (
	tlsTX        = 1      // TLS_TX
	tls12        = 0x0303 // TLS_1_2_VERSION
	tlsAESGCM128 = 51     // TLS_CIPHER_AES_GCM_128
)

// TLS gives a connection a key for what it sends and reads it back.
func TLS() observe.Report {
	const file = "/proc/sys/net/ipv4/tcp_available_ulp"
	has, r := observe.ReadText(file)
	if r.Outcome == observe.Allowed && !slices.Contains(strings.Fields(has), "tls") {
		// A kernel with CONFIG_TLS=m loads the module at the first connection,
		// but no guest has it.
		return observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("%s: %q", r.Call, has), Why: "CONFIG_TLS"}
	}
	return observe.InNetNamespace(tls)
}

func tls() observe.Report {
	fd, err := connected()
	if err != nil {
		return observe.SetupFailed("connect a socket with itself", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls"); err != nil {
		return observe.UnavailableIf(observe.SetupFailed(`setsockopt(TCP_ULP, "tls")`, err), "CONFIG_TLS", unix.ENOENT, unix.ENOPROTOOPT)
	}
	info := tlsKey{Version: tls12, Cipher: tlsAESGCM128}
	copy(info.Key[:], newKey(len(info.Key)))
	if err := unix.SetsockoptString(fd, unix.SOL_TLS, tlsTX, string(netlink.Encode(info))); err != nil {
		return observe.SetupFailed("setsockopt(SOL_TLS, TLS_TX)", err)
	}
	got := make([]byte, len(netlink.Encode(info)))
	n := uint32(len(got))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TLS, tlsTX, uintptr(unsafe.Pointer(&got[0])), uintptr(unsafe.Pointer(&n)), 0); e != 0 {
		return observe.FromError(TLSCall, e).Saw(false, "there is no answer")
	}
	const at = 12 // of the key
	return read(TLSCall, bytes.Clone(got[at:at+len(info.Key)]), info.Key[:])
}

// connected is a socket of TCP that is connected with itself, through the loopback
// device of this network namespace.
func connected() (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fd, err
	}
	lo.SetUint16(unix.IFF_UP)
	if err = unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fd, err
	}
	self := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err = unix.Bind(fd, self); err != nil {
		return fd, err
	}
	port, err := portOf(fd)
	if err != nil {
		return fd, err
	}
	self.Port = int(port)
	return fd, unix.Connect(fd, self)
}
