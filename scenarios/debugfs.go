package scenarios

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func init() { register("debugfs", debugfsScenario) }

// A file opens under lockdown if its mode has no bit outside 0444, it is not
// opened for writing, and its file operations have neither ioctl nor mmap:
// fs/debugfs/file.c:debugfs_locked_down, v6.12. Each probe is on one side
// of that rule; the lab series has a file for each.
func debugfsScenario() Scenario {
	const openSite, attrSite = "fs/debugfs/file.c:debugfs_locked_down", "fs/debugfs/inode.c:debugfs_setattr"
	lab := []string{"CONFIG_DEBUG_FS", "CONFIG_LDLAB_DEBUGFS"}
	s := Scenario{Name: "debugfs", Title: "drive kernel internals through debugfs files"}
	for _, f := range []struct {
		name, file string
		flags      int
		expect     Expectation
		use        debugfs.Use
	}{
		{"0444", "r0444", unix.O_RDONLY, Unchecked, debugfs.ReadsText},
		{"0440", "r0440", unix.O_RDONLY, Unchecked, debugfs.ReadsText},
		{"0400", "r0400", unix.O_RDONLY, Unchecked, debugfs.ReadsText},
		{"0444-write", "r0444", unix.O_WRONLY, Checked, debugfs.Nothing}, // the file has no write(2)
		{"0644-read", "rw0644", unix.O_RDONLY, Checked, debugfs.ReadsMark},
		{"0600-read", "rw0600", unix.O_RDONLY, Checked, debugfs.ReadsMark},
		{"0200-write", "w0200", unix.O_WRONLY, Checked, debugfs.WritesMark},
		{"ioctl", "ioctl0444", unix.O_RDONLY, Checked, debugfs.Ioctl},
		{"compat-ioctl", "compat0444", unix.O_RDONLY, Checked, debugfs.ReadsText}, // only a 32-bit task could issue the ioctl
		{"mmap", "mmap0444", unix.O_RDONLY, Checked, debugfs.Mmap},
	} {
		path := filepath.Join(debugfs.LabDir, f.file)
		p := Probe{
			Claim: Claim{Name: f.name, Call: observe.OpenCall(path, f.flags), Reason: "debugfs", Expect: f.expect},
			Where: Where{Site: openSite, Needs: lab},
			Act:   Act{Do: func(context.Context, Env) Report { return debugfs.LabFile(debugfs.Open(path, f.flags, f.use)) }},
		}
		if f.expect == Checked {
			p.More = func(context.Context, Env) []Variant { return debugfs.Opens(path, f.flags) }
		}
		s.Probes = append(s.Probes, p)
	}
	fs := []string{"CONFIG_DEBUG_FS"}
	s.Probes = append(s.Probes,
		Probe{
			Claim: Claim{Name: "chmod", Call: `chmod(a file of debugfs)`, Reason: "debugfs"},
			Where: Where{Site: attrSite, Needs: fs},
			Act: Act{
				Do:   func(context.Context, Env) Report { return debugfs.Chmod(debugfs.AttrFile()) },
				More: func(context.Context, Env) []Variant { return debugfs.Chmods(debugfs.AttrFile()) },
			},
		},
		Probe{
			Claim: Claim{Name: "chown", Call: `chown(a file of debugfs, 1, 1)`, Reason: "debugfs"},
			Where: Where{Site: attrSite, Needs: fs},
			Act: Act{
				Do:   func(context.Context, Env) Report { return debugfs.Chown(debugfs.AttrFile()) },
				More: func(context.Context, Env) []Variant { return debugfs.Chowns(debugfs.AttrFile()) },
			},
		},
		Probe{
			// setattr checks only changes of mode, uid and gid.
			Claim: Claim{Name: "utimes", Call: `utimensat("` + debugfs.LabDir + `/attr")`, Expect: Unchecked, Reason: "debugfs"},
			Where: Where{Site: attrSite, Needs: lab},
			Act: Act{Do: func(context.Context, Env) Report {
				path := debugfs.LabDir + "/attr"
				ts := []unix.Timespec{{Sec: 1}, {Sec: 1}}
				return debugfs.LabFile(observe.FromError(fmt.Sprintf("utimensat(%q)", path), unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, 0)))
			}},
		},
		Probe{
			// A file of every kernel with debugfs, mode 0200: stock kernels
			// and ready images have no other here.
			Claim: Claim{Name: "warn-once", Call: observe.OpenCall(debugfs.WarnOnce, unix.O_RDONLY), Reason: "debugfs"},
			Where: Where{Site: openSite, Needs: fs},
			Act: Act{
				Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(debugfs.Open(debugfs.WarnOnce, unix.O_RDONLY, debugfs.Nothing), "CONFIG_DEBUG_FS", unix.ENOENT)
				},
				More: func(context.Context, Env) []Variant { return debugfs.Opens(debugfs.WarnOnce, unix.O_RDONLY) },
			},
		},
		Probe{
			// The act is one file, its variants are all of them.
			Claim: Claim{Name: "sweep", Call: observe.OpenCall(debugfs.Dir+"/**", unix.O_WRONLY), Reason: "debugfs"},
			Where: Where{Site: openSite, Needs: fs},
			Act: Act{
				Do: func(context.Context, Env) Report {
					return observe.UnavailableIf(debugfs.Open(debugfs.WarnOnce, unix.O_WRONLY, debugfs.Nothing), "CONFIG_DEBUG_FS", unix.ENOENT)
				},
				More: func(context.Context, Env) []Variant { return debugfs.Sweep() },
			},
		},
		Probe{
			Claim: Claim{Name: "readdir", Call: `getdents("` + debugfs.Dir + `")`, Expect: Unchecked, Reason: "debugfs"},
			Where: Where{Site: "fs/libfs.c:dcache_readdir", Needs: fs},
			Act: Act{Do: func(context.Context, Env) Report {
				_, err := os.ReadDir(debugfs.Dir)
				if !observe.Exists(debugfs.WarnOnce) {
					err = unix.ENOENT
				}
				return observe.UnavailableIf(observe.FromError(fmt.Sprintf("getdents(%q)", debugfs.Dir), err), "CONFIG_DEBUG_FS", unix.ENOENT)
			}},
		},
	)
	return s
}
