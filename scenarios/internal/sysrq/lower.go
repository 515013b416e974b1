package sysrq

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Lower tries to take lockdown back through its own files and their file system.
// A sound kernel changes nothing, whatever it answers, so no answer counts.
func Lower() observe.Report {
	for _, text := range []string{"none", "none\n", "[none]", "0", "-1", "!integrity", "-integrity", ""} {
		_ = observe.WriteCommand(lockdown.LevelFile, text)
		_ = observe.WriteCommand(lockdown.ReasonsFile, text)
	}
	for _, path := range []string{lockdown.LevelFile, lockdown.ReasonsFile} {
		if fd, err := unix.Open(path, unix.O_WRONLY|unix.O_TRUNC|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
		}
		_ = os.Truncate(path, 0)
		if st, err := os.Stat(path); err == nil {
			_ = os.Chmod(path, 0)
			_ = os.Chmod(path, st.Mode().Perm())
		}
	}
	dir := "/sys/kernel/security"
	_ = unix.Mount("securityfs", dir, "securityfs", unix.MS_REMOUNT, "")
	return observe.Report{Outcome: observe.Allowed}
}
