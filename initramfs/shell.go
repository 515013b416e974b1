package initramfs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
)

// The module in which u-root's commands are built: it pins u-root and all it
// needs, apart from ldlab's own go.mod, which would grow by thirty lines. The
// files cannot have their own names here: go:embed leaves out what lies in
// another module. They come from `go mod tidy` in a directory with these two
// files and the tools.go of shellSource.
var (
	//go:embed uroot/go.mod.txt
	urootMod []byte
	//go:embed uroot/go.sum.txt
	urootSum []byte
)

const urootCommands = "github.com/u-root/u-root/cmds/core/"

// shellCommands is what somebody who works on the kernel misses most in a
// guest. Each costs little: they are one binary.
var shellCommands = []string{
	"init", "gosh",
	"cat", "chmod", "chroot", "cmp", "cp", "date", "dd", "df", "dmesg", "echo", "false", "find", "free", "grep", "head",
	"hexdump", "hostname", "id", "insmod", "ip", "kexec", "kill", "ln", "ls", "lsdrivers", "lsmod", "mkdir", "mknod",
	"more", "mount", "mv", "pci", "pidof", "poweroff", "ps", "pwd", "readlink", "rm", "rmmod", "seq", "sleep", "sort",
	"strace", "strings", "stty", "sync", "tail", "tee", "touch", "tr", "true", "umount", "uname", "uniq", "uptime", "wc",
	"which", "xargs",
}

// shellCommandsOn are those that only some architectures have.
var shellCommandsOn = map[string][]string{"amd64": {"msr"}}

// shellPackages are the import paths of an architecture's commands.
func shellPackages(goarch string) (paths []string) {
	for _, c := range append(append([]string(nil), shellCommands...), shellCommandsOn[goarch]...) {
		paths = append(paths, urootCommands+c)
	}
	return paths
}

// shellSource is the module in which u-root's builder looks commands up.
func shellSource(packages []string) []sourceFile {
	var tools strings.Builder
	tools.WriteString("//go:build tools\n\npackage tools\n\nimport (\n")
	for _, p := range packages {
		fmt.Fprintf(&tools, "\t_ %q\n", p)
	}
	tools.WriteString(")\n")
	return []sourceFile{{"go.mod", urootMod}, {"go.sum", urootSum}, {"tools.go", []byte(tools.String())}}
}

// shellEntry is the archive of u-root's init, shell and commands. u-root's
// builder compiles everything anew each time, a minute or more; hence the
// cache. mkuimage's version stands for the builder's: go.mod pins both.
func shellEntry(tc toolchain, a *arch.Arch) entry {
	packages := shellPackages(a.GOARCH)
	source := shellSource(packages)
	return entry{
		name: fmt.Sprintf("u-root-%s-%s.cpio", a.Name, key(sourceKey(source), builderVersions(), tc.version, a.GOARCH)),
		slow: "building u-root's commands for " + a.Name + " (once; takes a minute or two)",
		make: func(ctx context.Context, to string) error {
			dir := filepath.Join(filepath.Dir(to), "uroot")
			if err := writeSource(dir, source); err != nil {
				return err
			}
			tmp := filepath.Join(filepath.Dir(to), "tmp")
			if err := os.Mkdir(tmp, 0o755); err != nil {
				return fmt.Errorf("write cache: %w", err)
			}
			if err := runBuilder(ctx, tc, builderArgs{Dir: dir, Temp: tmp, Out: to, GOROOT: tc.root, GOARCH: a.GOARCH, Packages: packages}); err != nil {
				return fmt.Errorf("build u-root's commands: %w", err)
			}
			if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
				return errors.New("build u-root's commands: the builder wrote no archive")
			}
			return nil
		},
	}
}
