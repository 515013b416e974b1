package kernels

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// umlConfig is a small configuration in which the suite and a shell run, from a
// root file system that is the host's.
const umlConfig = `CONFIG_64BIT=y
CONFIG_PRINTK=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_DEBUG_FS=y
CONFIG_HOSTFS=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_FUTEX=y
CONFIG_STDERR_CONSOLE=y
CONFIG_EPOLL=y
CONFIG_TMPFS=y
CONFIG_SHMEM=y
CONFIG_MULTIUSER=y
CONFIG_POSIX_TIMERS=y
CONFIG_KUNIT_DEBUGFS=y
CONFIG_KUNIT_DEFAULT_ENABLED=y
`

// A uml builds user-mode kernels from one tree, incrementally, and runs them.
type uml struct {
	t           *testing.T
	tree, build string
	config      []string // what the last build had in addition
}

// newUML makes a tree of symbolic links to the source, with the series applied.
func newUML(t *testing.T, series ...string) *uml {
	t.Helper()
	u := newTree(t, series...)
	u.configure(nil)
	return u
}

// newTree is newUML without a configuration.
func newTree(t *testing.T, series ...string) *uml {
	t.Helper()
	for _, name := range []string{"make", "gcc"} {
		testutil.RequireProgram(t, name)
	}
	source := os.Getenv("LDLAB_KUNIT_SOURCE")
	if source == "" {
		source = upstreamTree(t)
	}
	dir := t.TempDir()
	u := &uml{t: t, tree: filepath.Join(dir, "tree"), build: filepath.Join(dir, "build")}
	for _, d := range []string{u.tree, u.build} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", "-as", source+"/.", u.tree).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	for _, name := range series {
		u.apply(name)
	}
	return u
}

// apply patches the tree.
func (u *uml) apply(series string) {
	u.t.Helper()
	tables, err := Load()
	if err != nil {
		u.t.Fatal(err)
	}
	s, err := tables.series(series)
	if err != nil {
		u.t.Fatal(err)
	}
	o := patchset.NewOverlay(withFiles{os.DirFS(u.tree), u.tree}, "out")
	if err := o.Apply(s.At(u.version())); err != nil {
		u.t.Fatal(err)
	}
	for _, name := range o.Paths() {
		f, err := o.Read(name)
		if err != nil {
			u.t.Fatal(err)
		}
		u.write(name, string(f.Data))
	}
}

// version is that of the source, by its Makefile.
func (u *uml) version() string {
	u.t.Helper()
	m := sourceVersion.FindStringSubmatch(u.read("Makefile"))
	if m == nil {
		u.t.Fatal("the Makefile has no version")
	}
	return strings.Join(m[1:], ".")
}

var sourceVersion = regexp.MustCompile(`(?m)^VERSION = (\d+)\nPATCHLEVEL = (\d+)\nSUBLEVEL = (\d+)$`)

// write replaces a file of the tree, which may be a link to the source's.
func (u *uml) write(name, text string) {
	u.t.Helper()
	file := filepath.Join(u.tree, name)
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		u.t.Fatal(err)
	}
	write(u.t, file, text)
}

func (u *uml) read(name string) string {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join(u.tree, name))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(data)
}

func (u *uml) make(args ...string) error {
	args = append([]string{"-s", fmt.Sprintf("-j%d", runtime.NumCPU()), "-C", u.tree, "ARCH=um", "O=" + u.build}, args...)
	cmd := exec.CommandContext(u.t.Context(), "make", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		text := out.String()
		return fmt.Errorf("make: %w: %s", err, text[max(0, len(text)-2000):])
	}
	return nil
}

// configure uses the configuration that goes with the suite, and the lines.
func (u *uml) configure(lines []string) {
	u.t.Helper()
	all := filepath.Join(u.build, "all.config")
	text := withLines(umlConfig+u.suiteConfig(), lines)
	write(u.t, all, text)
	if err := u.make("KCONFIG_ALLCONFIG="+all, "allnoconfig"); err != nil {
		u.t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(u.build, ".config"))
	if err != nil {
		u.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if off := symbolOf(line) != "" && strings.HasPrefix(line, "#"); off && !strings.Contains(string(got), symbolOf(line)+"=y") {
			continue // also if it depends on something that is off
		}
		if !strings.Contains("\n"+string(got), "\n"+line) {
			u.t.Errorf("the configuration lacks %s", line)
		}
	}
	u.config = lines
}

// symbolOf is the symbol that a line of a configuration sets.
func symbolOf(line string) string { return configLine.FindString(line) }

var configLine = regexp.MustCompile(`CONFIG_\w+`)

// withLines is a configuration with lines that take the place of those for the same
// symbols.
func withLines(config string, lines []string) string {
	var b strings.Builder
	for line := range strings.Lines(config) {
		if !slices.ContainsFunc(lines, func(l string) bool { return symbolOf(l) == symbolOf(line) }) {
			b.WriteString(line)
		}
	}
	return b.String() + strings.Join(lines, "\n") + "\n"
}

// suiteConfig is the configuration that goes with the suite, if it has one.
func (u *uml) suiteConfig() string {
	if _, err := os.Stat(filepath.Join(u.tree, "security/lockdown/.kunitconfig")); err != nil {
		return ""
	}
	return u.read("security/lockdown/.kunitconfig")
}

// run boots the kernel and returns its console. A kernel that hangs ends after
// two minutes.
func (u *uml) run(args ...string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{"mem=128M", "root=/dev/root", "rootfstype=hostfs"}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(u.build, "linux"), args...)
	cmd.WaitDelay = 5 * time.Second
	out, _ := cmd.CombinedOutput() // how it ends differs; what counts is in the text
	return string(out)
}

// checkpatch expects no complaint about the patches. What it says of new files
// and of commits needs a maintainer, or mainline's history.
func (u *uml) checkpatch(series ...string) {
	u.t.Helper()
	for _, name := range series {
		files, err := filepath.Glob("patches/" + name + "/*.patch")
		if err != nil || len(files) == 0 {
			u.t.Fatalf("no patches in %s: %v", name, err)
		}
		variants, err := filepath.Glob("patches/" + name + "/*/*.patch")
		if err != nil {
			u.t.Fatal(err)
		}
		files = append(files, variants...)
		for _, file := range files {
			file, err := filepath.Abs(file)
			if err != nil {
				u.t.Fatal(err)
			}
			cmd := exec.CommandContext(u.t.Context(), "perl", "scripts/checkpatch.pl", "--strict", "--no-tree",
				"--quiet", "--show-types", "--ignore", "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID", file)
			cmd.Dir = u.tree
			if out, err := cmd.CombinedOutput(); err != nil {
				u.t.Errorf("checkpatch: %v: %s", err, out)
			}
		}
	}
}
