package secrets

import (
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Of WireGuard's generic netlink: include/uapi/linux/wireguard.h, v6.12.
const (
	wgGet, wgSet         = 0, 1 // WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE
	wgName, wgPrivateKey = 2, 3 // WGDEVICE_A_IFNAME, WGDEVICE_A_PRIVATE_KEY
)

// WireGuardCall is the call that reads the key.
const WireGuardCall = "WG_CMD_GET_DEVICE"

// WireGuard makes a device, gives it a private key, and reads the key.
func WireGuard() observe.Report {
	family, err := genericFamily("wireguard")
	if err != nil {
		return observe.UnavailableIf(observe.SetupFailed("CTRL_CMD_GETFAMILY", err), "CONFIG_WIREGUARD", unix.ENOENT)
	}
	return observe.InNetNamespace(func() observe.Report { return wireGuard(family) })
}

func wireGuard(family uint16) observe.Report {
	name := append([]byte("ldlab"), 0)
	device := append(netlink.Encode(unix.IfInfomsg{}), attr(unix.IFLA_IFNAME, name)...)
	device = append(device, attr(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, []byte("wireguard")))...)
	const create = unix.NLM_F_CREATE | unix.NLM_F_EXCL | unix.NLM_F_ACK
	if _, err := talk(unix.NETLINK_ROUTE, unix.RTM_NEWLINK, create, device); err != nil {
		return observe.SetupFailed("RTM_NEWLINK", err)
	}
	key := newKey(32)
	key[0], key[31] = key[0]&^7, key[31]&0x7f|0x40 // as curve25519_clamp_secret makes it
	command := func(cmd byte) []byte { return append([]byte{cmd, 1, 0, 0}, attr(wgName, name)...) }
	if _, err := talk(unix.NETLINK_GENERIC, family, unix.NLM_F_ACK, append(command(wgSet), attr(wgPrivateKey, key)...)); err != nil {
		return observe.SetupFailed("WG_CMD_SET_DEVICE", err)
	}
	answers, err := talk(unix.NETLINK_GENERIC, family, unix.NLM_F_DUMP, command(wgGet))
	if err != nil {
		return observe.FromError(WireGuardCall, err).Saw(false, "there is no answer")
	}
	var got []byte
	for _, m := range answers {
		got = slices.Concat(got, find(m.Data, 4, wgPrivateKey))
	}
	return read(WireGuardCall, got, key)
}

// genericFamily is the number of a family of generic netlink.
func genericFamily(name string) (uint16, error) {
	ask := append([]byte{unix.CTRL_CMD_GETFAMILY, 1, 0, 0}, attr(unix.CTRL_ATTR_FAMILY_NAME, append([]byte(name), 0))...)
	answers, err := talk(unix.NETLINK_GENERIC, unix.GENL_ID_CTRL, unix.NLM_F_ACK, ask)
	if err != nil {
		return 0, err
	}
	for _, m := range answers {
		if id := find(m.Data, 4, unix.CTRL_ATTR_FAMILY_ID); len(id) == 2 {
			return binary.NativeEndian.Uint16(id), nil
		}
	}
	return 0, errors.New("an answer without a number")
}
