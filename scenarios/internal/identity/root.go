package identity

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// rootDir is where another root is. The process is in a mount namespace of its
// own, so nobody else sees what is mounted there.
const rootDir = "/ldlab-root"

// mountRoot mounts all that is below / there, once in a process.
var mountRoot = sync.OnceValue(func() error {
	if err := unix.Mkdir(rootDir, 0o755); err != nil && err != unix.EEXIST {
		return fmt.Errorf("mkdir(%q): %w", rootDir, err)
	}
	if err := unix.Mount("/", rootDir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mount(%q, MS_BIND|MS_REC): %w", rootDir, err)
	}
	return nil
})

// otherRoot gives the process another root directory with the same content, and
// returns what gives it the old one back.
func otherRoot() (back func() error, err error) {
	if err := mountRoot(); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open(\"/\"): %w", err)
	}
	enter := func(dir string) error {
		if err := unix.Chroot(dir); err != nil {
			return fmt.Errorf("chroot(%q): %w", dir, err)
		}
		return nil
	}
	back = func() error {
		defer unix.Close(fd)
		if err := unix.Fchdir(fd); err != nil {
			return fmt.Errorf("fchdir: %w", err)
		}
		return enter(".")
	}
	if err := enter(rootDir); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return back, nil
}
