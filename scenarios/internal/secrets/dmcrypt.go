package secrets

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/netlink"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// The device mapper's file and its commands: include/uapi/linux/dm-ioctl.h, v6.12.
const (
	mapperFile = "/dev/mapper/control"

	dmCreate, dmRemove, dmSuspend, dmLoad, dmStatus = 3, 4, 6, 9, 12

	dmStatusTable   = 1 << 4  // DM_STATUS_TABLE_FLAG
	dmQueryInactive = 1 << 12 // DM_QUERY_INACTIVE_TABLE_FLAG
)

// DMCryptCall is the call that reads the key.
const DMCryptCall = `ioctl("` + mapperFile + `", DM_TABLE_STATUS)`

// dmHead is struct dm_ioctl.
type dmHead struct {
	Version              [3]uint32
	Size, Start, Targets uint32
	Opens                int32
	Flags, Event, _      uint32
	Dev                  uint64
	Name                 [128]byte
	UUID                 [129]byte
	_                    [7]byte
}

// dmTarget is struct dm_target_spec.
type dmTarget struct {
	Start, Length uint64
	Status        int32
	Next          uint32
	Type          [16]byte
}

// A mapper is the open file of the device mapper.
type mapper int

// do issues a command on a device and returns the answer.
func (m mapper) do(command uintptr, device string, flags uint32, targets uint32, data []byte) (dmHead, []byte, error) {
	h := dmHead{Version: [3]uint32{4}, Targets: targets, Flags: flags}
	copy(h.Name[:], device)
	head := len(netlink.Encode(h))
	b := make([]byte, 4096)
	h.Size, h.Start = uint32(len(b)), uint32(head)
	copy(b, netlink.Encode(h))
	copy(b[head:], data)
	const number = 3<<30 | 0xfd<<8 // _IOWR(DM_IOCTL, command, struct dm_ioctl)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(m), number|uintptr(head)<<16|command, uintptr(unsafe.Pointer(&b[0]))); e != 0 {
		return h, nil, e
	}
	_, err := binary.Decode(b[:head], binary.NativeEndian, &h)
	return h, b[min(int(h.Start), len(b)):], err
}

// table makes a device and loads a table of one target of 8 sectors.
func (m mapper) table(device, target, args string) (dmHead, error) {
	h, _, err := m.do(dmCreate, device, 0, 0, nil)
	if err != nil {
		return h, fmt.Errorf("DM_DEV_CREATE: %w", err)
	}
	t := dmTarget{Length: 8}
	copy(t.Type[:], target)
	if _, _, err := m.do(dmLoad, device, 0, 1, append(append(netlink.Encode(t), args...), 0)); err != nil {
		return h, fmt.Errorf("DM_TABLE_LOAD: %w", err)
	}
	return h, nil
}

func (m mapper) remove(device string) { m.do(dmRemove, device, 0, 0, nil) }

// DMCrypt makes an encrypted device on one that only has errors, and reads the key
// from its table, which is never in use.
func DMCrypt() observe.Report {
	r := observe.WithFile(mapperFile, unix.O_RDWR, func(fd int) observe.Report { return mapper(fd).crypt() })
	return observe.UnavailableIf(r, "CONFIG_BLK_DEV_DM", unix.ENOENT, unix.ENXIO)
}

func (m mapper) crypt() observe.Report {
	base, device := fmt.Sprintf("ldlab-%d", os.Getpid()), fmt.Sprintf("ldlab-crypt-%d", os.Getpid())
	defer m.remove(base)
	h, err := m.table(base, "error", "")
	if err != nil {
		return observe.SetupFailed(base, err)
	}
	if _, _, err := m.do(dmSuspend, base, 0, 0, nil); err != nil { // without its flag: resume
		return observe.SetupFailed("DM_DEV_SUSPEND", err)
	}
	defer m.remove(device)
	key := []byte(hex.EncodeToString(newKey(16)))
	major, minor := h.Dev>>8&0xfff, h.Dev&0xff|h.Dev>>12&^0xff // as huge_encode_dev makes it
	if _, err := m.table(device, "crypt", fmt.Sprintf("aes-cbc-plain %s 0 %d:%d 0", key, major, minor)); err != nil {
		return observe.UnavailableIf(observe.SetupFailed(device, err), "CONFIG_DM_CRYPT", unix.EINVAL)
	}
	_, got, err := m.do(dmStatus, device, dmStatusTable|dmQueryInactive, 0, nil)
	if err != nil {
		return observe.FromError(DMCryptCall, err).Saw(false, "there is no answer")
	}
	if at := bytes.Index(got, []byte("aes-cbc-plain ")); at >= 0 {
		got = got[at+len("aes-cbc-plain "):]
	}
	return read(DMCryptCall, got[:min(len(key), len(got))], key)
}
