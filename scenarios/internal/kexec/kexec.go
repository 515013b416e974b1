// Package kexec loads kexec images and unloads them.
package kexec

import (
	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// The loaded images have headers but no kernel: nothing here ever starts one.

// Flags of kexec_file_load: include/uapi/linux/kexec.h, v6.12.
const (
	kexecFileUnload      = 1
	kexecFileNoInitramfs = 4
)

func LoadFile(what, path, missing string) observe.Report {
	call := "kexec_file_load(" + what + ")"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(observe.OpenCall(path, unix.O_RDONLY), err), Why: missing}
	}
	if err != nil {
		return observe.SetupFailed(observe.OpenCall(path, unix.O_RDONLY), err)
	}
	defer unix.Close(fd)
	err = unix.KexecFileLoad(fd, -1, "", kexecFileNoInitramfs)
	if err == nil {
		if err := unix.KexecFileLoad(-1, -1, "", kexecFileUnload); err != nil {
			return observe.SetupFailed("kexec_file_load(KEXEC_FILE_UNLOAD)", err)
		}
	}
	return observe.UnavailableIf(observe.FromError(call, err), "CONFIG_KEXEC_FILE", unix.ENOSYS)
}
