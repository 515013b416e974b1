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
	"github.com/ldlab/ldlab/internal/cache"
)

// The module in which u-root's commands are built. It pins u-root and its
// dependencies, which would add thirty lines to ldlab's own go.mod. The files
// have other names here because go:embed leaves out files of another module.
// `go mod tidy`, in a directory with the files of shellSource, updates them.
var (
	//go:embed uroot/go.mod.txt
	urootMod []byte
	//go:embed uroot/go.sum.txt
	urootSum []byte
	//go:embed uroot/sh/main.go
	shSource []byte
)

const (
	urootCommands = "github.com/u-root/u-root/cmds/core/"
	shPackage     = "ldlab.invalid/uroot/sh" // our own sh, in the module of go.mod.txt
)

// shellCommands are u-root's commands that kernel developers use in a guest. All
// of them are one binary, so that each is small.
var shellCommands = []string{
	"init", "gosh",
	"cat", "chmod", "chroot", "cmp", "cp", "date", "dd", "df", "dmesg", "echo", "false", "find", "free", "grep", "head",
	"hexdump", "hostname", "id", "insmod", "ip", "kexec", "kill", "ln", "ls", "lsdrivers", "lsmod", "mkdir", "mknod",
	"more", "mount", "mv", "pci", "pidof", "poweroff", "ps", "pwd", "readlink", "rm", "rmmod", "seq", "sleep", "sort",
	"strace", "strings", "stty", "sync", "tail", "tee", "touch", "tr", "true", "umount", "uname", "uniq", "uptime", "wc",
	"which", "xargs",
}

// shellCommandsOn are commands that u-root has for some architectures only.
var shellCommandsOn = map[string][]string{"amd64": {"msr"}}

// shellPackages are the import paths of an architecture's commands.
func shellPackages(goarch string) (paths []string) {
	for _, c := range append(append([]string(nil), shellCommands...), shellCommandsOn[goarch]...) {
		paths = append(paths, urootCommands+c)
	}
	return paths
}

// shellSource is the module in which u-root's builder finds the packages.
func shellSource(packages []string) []sourceFile {
	var tools strings.Builder
	tools.WriteString("//go:build tools\n\npackage tools\n\nimport (\n")
	for _, p := range packages {
		fmt.Fprintf(&tools, "\t_ %q\n", p)
	}
	tools.WriteString(")\n")
	return []sourceFile{{"go.mod", urootMod}, {"go.sum", urootSum}, {"sh/main.go", shSource}, {"tools.go", []byte(tools.String())}}
}

// shellProgram is the archive of u-root's init, shell and commands. u-root's builder
// compiles everything each time, which takes a minute or more, so the archive is
// cached. The builder's bytes depend on the version of mkuimage, which go.mod pins.
func shellProgram(a *arch.Arch) program {
	packages := shellPackages(a.GOARCH)
	source := shellSource(packages)
	return program{
		kind: cache.Shell, name: "u-root-" + a.Name + "-%s.cpio",
		parts: []string{sourceKey(source), builderVersion, builderVersions(), a.GOARCH},
		slow:  "building u-root's commands for " + a.Name + " (once; takes a minute or two)",
		make: func(ctx context.Context, tc toolchain, to string) error {
			dir := filepath.Join(filepath.Dir(to), "uroot")
			if err := writeSource(dir, source); err != nil {
				return err
			}
			tmp := filepath.Join(filepath.Dir(to), "tmp")
			if err := os.Mkdir(tmp, 0o755); err != nil {
				return fmt.Errorf("write cache: %w", err)
			}
			if err := runBuilder(ctx, tc, builderArgs{Dir: dir, Temp: tmp, Out: to, GOROOT: tc.root, GOARCH: a.GOARCH, Packages: append(packages, shPackage)}); err != nil {
				return fmt.Errorf("build u-root's commands: %w", err)
			}
			if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
				return errors.New("build u-root's commands: the builder wrote no archive")
			}
			return nil
		},
	}
}
