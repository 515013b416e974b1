package debugfs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/sweep"
)

// tree is debugfs without the directory on which opening mounts tracefs.
var tree = sweep.Tree{Dir: Dir, Skip: func(file string) bool { return file == "tracing" }}

// Sweep opens every file that must be refused: for reading, each whose mode has a
// bit outside 0444, and for writing, each. Nothing is held against a file that
// only reads: whether it has ioctl or mmap, which lockdown refuses, cannot be seen
// from outside (fs/debugfs/file.c:debugfs_locked_down, v6.12).
func Sweep() []observe.Variant {
	list, err := tree.Files()
	if err != nil {
		return []observe.Variant{observe.SetupFailed(fmt.Sprintf("walk %q", Dir), err).Vary("every file")}
	}
	beyond := func(f sweep.File) bool { return f.Mode&^0o444 != 0 }
	all := func(sweep.File) bool { return true }
	return []observe.Variant{
		tree.Open(list, unix.O_RDONLY, sweep.Named, beyond).Vary("every file with a mode outside 0444, O_RDONLY"),
		tree.Open(list, unix.O_WRONLY, sweep.Named, all).Vary("every file, O_WRONLY"),
		tree.Open(list, unix.O_RDWR, sweep.Named, all).Vary("every file, O_RDWR"),
		tree.OpenElsewhere("debugfs", "clear_warn_once", unix.O_RDONLY).Vary("another mount"),
		tree.OpenBound("clear_warn_once", unix.O_RDONLY).Vary("a bind mount of the file"),
	}
}
