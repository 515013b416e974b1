// Package module loads kernel modules and unloads them.
package module

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	nopModule = "ldlab_nop"

	// MODULE_INIT_IGNORE_MODVERSIONS: include/uapi/linux/module.h, v6.12.
	IgnoreModversions = 1
)

// JunkSize is larger than an ELF header: a smaller file is refused before
// lockdown is checked.
const JunkSize = 128

// InitJunk treats ENOEXEC as allowed: the kernel checks the ELF header after
// lockdown. Nothing is loaded.
func InitJunk(call string, err error) observe.Report {
	if err == nil {
		return observe.Report{Outcome: observe.Failed, Call: observe.CallText(call, nil), Why: "the kernel loaded zeros"}
	}
	r := observe.AllowedIf(observe.FromError(call, err), unix.ENOEXEC)
	return observe.UnavailableIf(r, "CONFIG_MODULES", unix.ENOSYS)
}

func FinitJunk() observe.Report {
	fd, err := unix.MemfdCreate("junk", unix.MFD_CLOEXEC)
	if err != nil {
		return observe.SetupFailed("memfd_create", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, JunkSize); err != nil {
		return observe.SetupFailed("ftruncate(memfd)", err)
	}
	return InitJunk("finit_module(128 zero bytes)", unix.FinitModule(fd, "", 0))
}

// Load loads a module of the guest, with NAME=VALUE or no parameter, and
// unloads it. The kernel ignores an unknown parameter, so Load checks that the
// parameter exists.
func Load(file, param string, flags int) observe.Report {
	call := fmt.Sprintf("finit_module(%s, %q, %#x)", path.Base(file), param, flags)
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(observe.OpenCall(file, unix.O_RDONLY), err), Why: observe.NoModule}
	}
	if err != nil {
		return observe.SetupFailed(observe.OpenCall(file, unix.O_RDONLY), err)
	}
	defer unix.Close(fd)
	err = unix.FinitModule(fd, param, flags)
	r := observe.UnavailableIf(observe.FromError(call, err), "CONFIG_MODULES", unix.ENOSYS)
	if err != nil {
		return r
	}
	name, _, _ := strings.Cut(param, "=")
	if param != "" && !observe.Exists("/sys/module/"+nopModule+"/parameters/"+name) {
		r.Outcome, r.Why = observe.Failed, "the module has no such parameter"
	}
	if err := unix.DeleteModule(nopModule, unix.O_NONBLOCK); err != nil {
		return observe.SetupFailed("delete_module("+nopModule+")", err)
	}
	return r
}
