package scenarios

import (
	"context"

	"golang.org/x/sys/unix"
)

// The images that are loaded carry headers and no kernel: nothing here ever
// starts what it loads.

// Flags of kexec_file_load: include/uapi/linux/kexec.h, v6.12.
const (
	kexecFileUnload      = 1
	kexecFileNoInitramfs = 4
)

func init() { register("kexec", kexecScenario) }

// kexec_load is refused whenever the reason is locked, kexec_file_load only
// for an image whose signature does not verify, and only with KEXEC_SIG.
// kernel.kexec_load_disabled says EPERM too, but logs nothing.
func kexecScenario() Scenario {
	return Scenario{
		Name:  "kexec",
		Title: "load another kernel to replace the running one",
		Probes: []Probe{
			{
				Name: "load", Call: "kexec_load(0, 0, NULL, 0)",
				Reason: "kexec", Site: "kernel/kexec.c:kexec_load_check", Needs: []string{"CONFIG_KEXEC"},
				// No segments: it unloads what was loaded, which is nothing.
				Act: func(context.Context, Env) Result {
					_, _, e := unix.Syscall6(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0, 0, 0)
					var err error
					if e != 0 {
						err = e
					}
					return absent(judge("kexec_load(0, 0, NULL, 0)", err), "CONFIG_KEXEC", unix.ENOSYS)
				},
			},
			{
				Name: "file-unsigned", Call: "kexec_file_load(unsigned image)",
				Reason: "kexec", Site: "kernel/kexec_file.c:kimage_validate_signature",
				Needs: []string{"CONFIG_KEXEC_FILE", "CONFIG_KEXEC_SIG"},
				Act: func(context.Context, Env) Result {
					return kexecFile("unsigned image", KexecUnsigned, noImage)
				},
			},
			{
				Name: "file-signed", Call: "kexec_file_load(image signed with the lab's key)", Expect: Unchecked,
				Reason: "kexec", Site: "kernel/kexec_file.c:kimage_validate_signature",
				Needs: []string{"CONFIG_KEXEC_FILE", "CONFIG_KEXEC_SIG"},
				Act: func(context.Context, Env) Result {
					return kexecFile("image signed with the lab's key", KexecSigned, noTrustedImage)
				},
			},
		},
	}
}

func kexecFile(what, path, missing string) Result {
	act := "kexec_file_load(" + what + ")"
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return Result{Outcome: Unavailable, Call: call(openAct(path, unix.O_RDONLY), err), Why: missing}
	}
	if err != nil {
		return failed(openAct(path, unix.O_RDONLY), err)
	}
	defer unix.Close(fd)
	err = unix.KexecFileLoad(fd, -1, "", kexecFileNoInitramfs)
	if err == nil {
		if err := unix.KexecFileLoad(-1, -1, "", kexecFileUnload); err != nil {
			return failed("kexec_file_load(KEXEC_FILE_UNLOAD)", err)
		}
	}
	return absent(judge(act, err), "CONFIG_KEXEC_FILE", unix.ENOSYS)
}
