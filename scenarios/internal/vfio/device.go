// Package vfio has a PCI device write to memory for user space, through VFIO without
// an IOMMU.
package vfio

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	devicesDir = "/sys/bus/pci/devices"
	driver     = "/sys/bus/pci/drivers/vfio-pci"
	modeFile   = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
	container  = "/dev/vfio/vfio"
)

// ioctls of VFIO: include/uapi/linux/vfio.h, v6.12.
const (
	setIOMMU      = 0x3b66
	setContainer  = 0x3b68
	getDevice     = 0x3b6a
	getRegionInfo = 0x3b6c

	noIOMMU      = 8 // VFIO_NOIOMMU_IOMMU
	regionBAR0   = 0
	regionConfig = 7
)

// edu is QEMU's device for teaching (docs/specs/edu.rst): vendor and device.
const eduVendor, eduDevice = "0x1234", "0x11e8"

// find finds the edu that no driver has, by its name on the bus.
func find() (name string, r observe.Report) {
	call := fmt.Sprintf("getdents(%q): an edu", devicesDir)
	dirs, _ := filepath.Glob(devicesDir + "/*")
	for _, dir := range dirs {
		vendor, _ := observe.ReadBounded(dir + "/vendor")
		device, _ := observe.ReadBounded(dir + "/device")
		if trim(vendor) == eduVendor && trim(device) == eduDevice && !observe.Exists(dir+"/driver") {
			return filepath.Base(dir), observe.Report{Outcome: observe.Allowed, Call: call}
		}
	}
	return "", observe.Report{Outcome: observe.Unavailable, Call: call, Why: "the machine has no edu"}
}

func trim(text string) string { return string(bytes.TrimSpace([]byte(text))) }

// revive makes the device's BARs answer in a fork: QEMU does not migrate it, so they
// have no address there. The kernel gives them one if it finds the device anew.
// Neither file is checked by lockdown.
func revive(name string) error {
	dir := filepath.Join(devicesDir, name)
	config, err := os.ReadFile(dir + "/config")
	if err != nil {
		return err
	}
	const bar0 = 0x10
	if len(config) >= bar0+4 && !bytes.Equal(config[bar0:bar0+4], make([]byte, 4)) {
		return nil
	}
	if err := observe.WriteCommand(dir+"/remove", "1"); err != nil {
		return err
	}
	return observe.WriteCommand("/sys/bus/pci/rescan", "1")
}

// bind gives the device to vfio-pci and returns the name of its group: noiommu-N.
func bind(name string) (group string, r observe.Report) {
	dir := filepath.Join(devicesDir, name)
	for _, w := range [][2]string{{dir + "/driver_override", "vfio-pci"}, {"/sys/bus/pci/drivers_probe", name}} {
		if r = observe.WriteText(w[0], w[1]); r.Outcome != observe.Allowed {
			return "", r
		}
	}
	to, err := os.Readlink(dir + "/iommu_group")
	if err != nil {
		return "", observe.SetupFailed(fmt.Sprintf("readlink(%q)", dir+"/iommu_group"), err)
	}
	return "noiommu-" + filepath.Base(to), r
}

// unbind takes it back.
func unbind(name string) {
	_ = observe.WriteCommand(driver+"/unbind", name) // if it was not bound, this fails
	_ = observe.WriteCommand(filepath.Join(devicesDir, name)+"/driver_override", "\n")
}

// A device is an open VFIO device.
type device struct {
	fds  []int // in the order of opening; the last one is the device's
	bar0 []byte
}

func (d *device) close() {
	if d.bar0 != nil {
		unix.Munmap(d.bar0)
	}
	for i := range d.fds {
		unix.Close(d.fds[len(d.fds)-1-i])
	}
}

// open opens a group of one device, and the device, lets it reach memory, and maps
// its registers. The report is that of the first call that is not allowed.
func open(group, name string) (d *device, r observe.Report) {
	d = &device{}
	var fds [2]int
	for i, path := range []string{"/dev/vfio/" + group, container} {
		if fds[i], r = observe.Open(path, unix.O_RDWR); r.Outcome != observe.Allowed {
			return d, r
		}
		d.fds = append(d.fds, fds[i])
	}
	bdf := append([]byte(name), 0)
	set := int32(fds[1])
	for _, c := range []struct {
		text string
		fd   int
		cmd  uintptr
		arg  uintptr
	}{
		{"VFIO_GROUP_SET_CONTAINER", fds[0], setContainer, uintptr(unsafe.Pointer(&set))},
		{"VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU", fds[1], setIOMMU, noIOMMU},
		{"VFIO_GROUP_GET_DEVICE_FD", fds[0], getDevice, uintptr(unsafe.Pointer(&bdf[0]))},
	} {
		n, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), c.cmd, c.arg)
		var err error
		if e != 0 {
			err = e
		}
		if r = observe.FromError(fmt.Sprintf("ioctl(%q, %s)", group, c.text), err); r.Outcome != observe.Allowed {
			return d, r
		}
		if c.cmd == getDevice {
			d.fds = append(d.fds, int(n))
		}
	}
	return d, d.start(r)
}

// start sets the bits of the command register without which the device answers
// nothing and reaches nothing, and maps its registers.
func (d *device) start(r observe.Report) observe.Report {
	fd := d.fds[len(d.fds)-1]
	config, err := region(fd, regionConfig)
	if err == nil {
		const command, memoryAndMaster = 4, "\x06\x00"
		_, err = unix.Pwrite(fd, []byte(memoryAndMaster), int64(config.offset)+command)
	}
	if err != nil {
		return observe.FromError("pwrite(the device's command register)", err)
	}
	bar, err := region(fd, regionBAR0)
	if err == nil {
		d.bar0, err = unix.Mmap(fd, int64(bar.offset), os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		return observe.FromError("mmap(BAR 0 of the device)", err)
	}
	return r
}

// info is struct vfio_region_info.
type info struct {
	argsz, flags, index, caps uint32
	size, offset              uint64
}

func region(fd int, index uint32) (info, error) {
	i := info{argsz: uint32(unsafe.Sizeof(info{})), index: index}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getRegionInfo, uintptr(unsafe.Pointer(&i))); e != 0 {
		return i, e
	}
	return i, nil
}
