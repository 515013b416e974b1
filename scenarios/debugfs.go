package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	debugfs    = "/sys/kernel/debug"
	debugfsLab = debugfs + "/ldlab" // the files of the lab series, CONFIG_LDLAB_DEBUGFS

	// _IO('L', 0), the one command that the lab's files with an ioctl take.
	ioctlLab = 0x4c00
)

func init() { register("debugfs", debugfsScenario) }

// A file opens under lockdown if its mode has no bit outside 0444, it is not
// opened for writing, and its file operations have neither ioctl nor mmap:
// fs/debugfs/file.c:debugfs_locked_down, v6.12. Each probe stands on one side
// of that rule; the lab series has a file for each.
func debugfsScenario() Scenario {
	const openSite, attrSite = "fs/debugfs/file.c:debugfs_locked_down", "fs/debugfs/inode.c:debugfs_setattr"
	lab := []string{"CONFIG_DEBUG_FS", "CONFIG_LDLAB_DEBUGFS"}
	s := Scenario{Name: "debugfs", Title: "drive kernel internals through debugfs files"}
	for _, f := range []struct {
		name, file string
		flags      int
		expect     Expectation
	}{
		{"0444", "r0444", unix.O_RDONLY, Unchecked},
		{"0440", "r0440", unix.O_RDONLY, Unchecked},
		{"0400", "r0400", unix.O_RDONLY, Unchecked},
		{"0444-write", "r0444", unix.O_WRONLY, Checked},
		{"0644-read", "rw0644", unix.O_RDONLY, Checked},
		{"0600-read", "rw0600", unix.O_RDONLY, Checked},
		{"0200-write", "w0200", unix.O_WRONLY, Checked},
	} {
		path := filepath.Join(debugfsLab, f.file)
		s.Probes = append(s.Probes, Probe{
			Name: f.name, Call: openAct(path, f.flags), Reason: "debugfs", Expect: f.expect,
			Site: openSite, Needs: lab,
			Act: func(context.Context, Env) Result { return labFile(with(path, f.flags, nil)) },
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			Name: "ioctl", Call: `ioctl("` + debugfsLab + `/ioctl0444", _IO('L', 0))`,
			Reason: "debugfs", Site: openSite, Needs: lab,
			Act: func(context.Context, Env) Result { return labFile(debugfsIoctl(debugfsLab + "/ioctl0444")) },
		},
		Probe{
			Name: "compat-ioctl", Call: openAct(debugfsLab+"/compat0444", unix.O_RDONLY),
			// Only a 32-bit task could issue the ioctl; the rule bites at open.
			Reason: "debugfs", Site: openSite, Needs: lab,
			Act: func(context.Context, Env) Result {
				return labFile(with(debugfsLab+"/compat0444", unix.O_RDONLY, nil))
			},
		},
		Probe{
			Name: "mmap", Call: `mmap("` + debugfsLab + `/mmap0444", PROT_READ)`,
			Reason: "debugfs", Site: openSite, Needs: lab,
			Act: func(context.Context, Env) Result { return labFile(debugfsMmap(debugfsLab + "/mmap0444")) },
		},
		Probe{
			Name: "chmod", Call: `chmod("` + debugfsLab + `/attr", 0400)`,
			Reason: "debugfs", Site: attrSite, Needs: lab,
			Act: func(context.Context, Env) Result { return labFile(debugfsChmod(debugfsLab + "/attr")) },
		},
		Probe{
			Name: "chown", Call: `chown("` + debugfsLab + `/attr", 1, 1)`,
			Reason: "debugfs", Site: attrSite, Needs: lab,
			Act: func(context.Context, Env) Result { return labFile(debugfsChown(debugfsLab + "/attr")) },
		},
		Probe{
			Name: "utimes", Call: `utimensat("` + debugfsLab + `/attr")`, Expect: Unchecked,
			// setattr asks for mode, uid and gid only.
			Reason: "debugfs", Site: attrSite, Needs: lab,
			Act: func(context.Context, Env) Result {
				path := debugfsLab + "/attr"
				ts := []unix.Timespec{{Sec: 1}, {Sec: 1}}
				return labFile(judge(fmt.Sprintf("utimensat(%q)", path), unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, 0)))
			},
		},
		Probe{
			Name: "warn-once", Call: openAct(debugfs+"/clear_warn_once", unix.O_RDONLY),
			// A file of every kernel with debugfs, mode 0200: stock kernels
			// and ready images have no other here.
			Reason: "debugfs", Site: openSite, Needs: []string{"CONFIG_DEBUG_FS"},
			Act: func(context.Context, Env) Result {
				return absent(with(debugfs+"/clear_warn_once", unix.O_RDONLY, nil), "CONFIG_DEBUG_FS", unix.ENOENT)
			},
		},
		Probe{
			Name: "readdir", Call: `getdents("` + debugfs + `")`, Expect: Unchecked,
			Reason: "debugfs", Site: "fs/libfs.c:dcache_readdir", Needs: []string{"CONFIG_DEBUG_FS"},
			Act: func(context.Context, Env) Result {
				_, err := os.ReadDir(debugfs)
				if !exists(debugfs + "/clear_warn_once") {
					err = unix.ENOENT
				}
				return absent(judge(fmt.Sprintf("getdents(%q)", debugfs), err), "CONFIG_DEBUG_FS", unix.ENOENT)
			},
		},
	)
	return s
}

// labFile says what is missing where a file of the lab series is not there.
func labFile(r Result) Result { return absent(r, "CONFIG_LDLAB_DEBUGFS", unix.ENOENT) }

func debugfsIoctl(path string) Result {
	return with(path, unix.O_RDONLY, func(fd int) Result {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlLab, 0)
		var err error
		if e != 0 {
			err = e
		}
		return judge(fmt.Sprintf("ioctl(%q, _IO('L', 0))", path), err)
	})
}

func debugfsMmap(path string) Result {
	return with(path, unix.O_RDONLY, func(fd int) Result {
		m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		if err == nil {
			unix.Munmap(m)
		}
		return judge(fmt.Sprintf("mmap(%q, PROT_READ)", path), err)
	})
}

// debugfsChmod changes the mode and puts back what was there.
func debugfsChmod(path string) Result {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return judge(fmt.Sprintf("stat(%q)", path), err)
	}
	err := unix.Chmod(path, 0o400)
	if err == nil {
		if err := unix.Chmod(path, st.Mode&0o7777); err != nil {
			return failed("chmod back", err)
		}
	}
	return judge(fmt.Sprintf("chmod(%q, 0400)", path), err)
}

// debugfsChown changes the owner and puts back what was there.
func debugfsChown(path string) Result {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return judge(fmt.Sprintf("stat(%q)", path), err)
	}
	err := unix.Chown(path, 1, 1)
	if err == nil {
		if err := unix.Chown(path, int(st.Uid), int(st.Gid)); err != nil {
			return failed("chown back", err)
		}
	}
	return judge(fmt.Sprintf("chown(%q, 1, 1)", path), err)
}
