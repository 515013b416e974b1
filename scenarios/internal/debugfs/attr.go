package debugfs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// AttrFile is the file whose mode and owner are changed: the lab's, or, on another
// kernel, one that every debugfs has.
func AttrFile() string {
	if file := LabDir + "/attr"; observe.Exists(file) {
		return file
	}
	return WarnOnce
}

// change changes the mode or the owner of a file, looks at it with stat, and puts
// it back, whatever the call returned.
func change(path, call string, act func(was unix.Stat_t) error) observe.Report {
	var was, is unix.Stat_t
	if err := unix.Lstat(path, &was); err != nil {
		return observe.UnavailableIf(observe.FromError(fmt.Sprintf("lstat(%q)", path), err), "CONFIG_DEBUG_FS", unix.ENOENT)
	}
	r := observe.FromError(call, act(was))
	if err := unix.Lstat(path, &is); err != nil {
		return r.Saw(false, observe.CallText(fmt.Sprintf("lstat(%q)", path), err))
	}
	changed := is.Mode != was.Mode || is.Uid != was.Uid || is.Gid != was.Gid
	r = r.Saw(changed, fmt.Sprintf("lstat(%q): mode %#o, owner %d, group %d", path, is.Mode&0o7777, is.Uid, is.Gid))
	if !changed {
		return r
	}
	// A kernel that refuses late puts it back, too; one that lets only the owner
	// or only the group change, that one alone.
	_ = unix.Lchown(path, int(was.Uid), -1)
	_ = unix.Lchown(path, -1, int(was.Gid))
	_ = unix.Chmod(path, was.Mode&0o7777)
	if unix.Lstat(path, &is) == nil && (is.Mode != was.Mode || is.Uid != was.Uid || is.Gid != was.Gid) {
		r.Look += ", and stays so"
	}
	return r
}

// otherMode is a mode that only reads and is not the file's.
func otherMode(was unix.Stat_t) uint32 {
	if was.Mode&0o7777 == 0o400 {
		return 0o440
	}
	return 0o400
}

// Chmod changes the mode and restores it.
func Chmod(path string) observe.Report {
	return change(path, fmt.Sprintf("chmod(%q)", path), func(was unix.Stat_t) error { return unix.Chmod(path, otherMode(was)) })
}

// Chmods changes modes in other ways.
func Chmods(path string) []observe.Variant {
	more := func(mode uint32) observe.Variant {
		args := fmt.Sprintf("to %#o", mode)
		return change(path, fmt.Sprintf("chmod(%q, %#o)", path, mode), func(unix.Stat_t) error { return unix.Chmod(path, mode) }).Vary(args)
	}
	return []observe.Variant{
		more(0o666),
		more(0o4511),
		change(path, fmt.Sprintf("fchmod of an O_PATH descriptor of %q", path), func(was unix.Stat_t) error {
			fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), otherMode(was))
		}).Vary("through /proc/self/fd"),
		change(Dir+"/kprobes", "chmod of a directory", func(unix.Stat_t) error { return unix.Chmod(Dir+"/kprobes", 0o711) }).Vary("a directory"),
	}
}

// Chown changes the owner and the group and restores them.
func Chown(path string) observe.Report {
	return change(path, fmt.Sprintf("chown(%q, 1, 1)", path), func(unix.Stat_t) error { return unix.Chown(path, 1, 1) })
}

// Chowns changes one of them alone.
func Chowns(path string) []observe.Variant {
	own := func(uid, gid int, args string) observe.Variant {
		return change(path, fmt.Sprintf("lchown(%q, %d, %d)", path, uid, gid), func(unix.Stat_t) error { return unix.Lchown(path, uid, gid) }).Vary(args)
	}
	return []observe.Variant{
		own(1, -1, "the owner alone"),
		own(-1, 1, "the group alone"),
		own(-1, 1<<30, "a large group"),
	}
}
