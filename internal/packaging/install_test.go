package packaging

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
)

// root is the checkout.
const root = "../.."

// run runs a command and returns what it prints.
func run(t *testing.T, dir string, env []string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, dir string, env []string, argv ...string) string {
	t.Helper()
	out, err := run(t, dir, env, argv...)
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return out
}

// TestInstall runs the script of "make install" on a small stage: what it installs, and
// nothing else, is removed.
func TestInstall(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(root, "scripts/install"))
	if err != nil {
		t.Fatal(err)
	}
	dir := testutil.Tree(t, map[string]string{
		"scripts/install": string(script), "out/stage/bin/ldlab": "program", "out/stage/share/doc/ldlab/docs/a.md": "a", "out/stage/share/man/man1/ldlab.1": "page",
		"out/stage/lib/ldlab/guests/index.json": "[]", "out/stage/lib/ldlab/files": "bin/ldlab\nlib/ldlab/guests/index.json\nshare/doc/ldlab/docs/a.md\nshare/man/man1/ldlab.1\n",
	})
	to := testutil.Tree(t, map[string]string{"usr/share/man/man1/other.1": "not ours", "usr/bin/other": "not ours"})
	mustRun(t, dir, nil, "sh", "scripts/install", "/usr", to)
	for name, mode := range map[string]os.FileMode{"bin/ldlab": 0o755, "share/man/man1/ldlab.1": 0o644, "lib/ldlab/guests/index.json": 0o644, "lib/ldlab/files": 0o644} {
		if fi, err := os.Stat(filepath.Join(to, "usr", name)); err != nil || fi.Mode() != mode {
			t.Errorf("%s: %v, want %v; %v", name, fi, mode, err)
		}
	}
	mustRun(t, dir, nil, "sh", "scripts/install", "--remove", "/usr", to)
	left := strings.Fields(mustRun(t, to, nil, "find", ".", "-type", "f"))
	if len(left) != 2 || !strings.Contains(strings.Join(left, " "), "other.1") {
		t.Errorf("left: %q", left)
	}
	for _, gone := range []string{"usr/lib/ldlab", "usr/share/doc/ldlab"} {
		if _, err := os.Stat(filepath.Join(to, gone)); err == nil {
			t.Errorf("%s is still there", gone)
		}
	}
	if out, err := run(t, dir, nil, "sh", "scripts/install", "--remove", "/usr", to); err == nil || !strings.Contains(out, "nothing to remove") {
		t.Errorf("again: %v, %s", err, out)
	}
	if out, err := run(t, dir, nil, "sh", "scripts/install", "usr"); err == nil || !strings.Contains(out, "PREFIX must be absolute") {
		t.Errorf("a relative PREFIX: %v, %s", err, out)
	}
}

// goProxy is a directory that serves the committed files of this module as a version of
// it, in the layout of GOPROXY.
func goProxy(t *testing.T, version string) string {
	t.Helper()
	tree, proxy := t.TempDir(), t.TempDir()
	mustRun(t, root, nil, "sh", "-c", `git archive HEAD | tar x -C "$0"`, tree)
	dir := filepath.Join(proxy, "github.com/ldlab/ldlab/@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(tree, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, version+".zip"))
	if err == nil {
		err = zip.CreateFromDir(f, module.Version{Path: "github.com/ldlab/ldlab", Version: version}, tree)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"list": version + "\n", version + ".mod": string(mod), version + ".info": `{"Version":"` + version + `"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proxy
}

// TestGoInstall: "go install github.com/ldlab/ldlab/cmd/ldlab@VERSION" needs no checkout
// and no network beside the modules that go.mod names, and the program tells its commit
// and its tables. Without a toolchain it tells what it lacks.
func TestGoInstall(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program")
	}
	testutil.RequireProgram(t, "git")
	testutil.RequireProgram(t, "tar")
	const version = "v0.0.0-20260102030405-0123456789ab"
	modules := strings.TrimSpace(mustRun(t, root, nil, "go", "env", "GOMODCACHE"))
	bin := t.TempDir()
	env := []string{"GOPROXY=file://" + goProxy(t, version) + ",file://" + filepath.Join(modules, "cache/download"), "GOSUMDB=off", "GOFLAGS=-modcacherw", "GOWORK=off", "GOBIN=" + bin, "GOMODCACHE=" + t.TempDir()}
	dir := t.TempDir()
	mustRun(t, dir, env, "go", "install", "github.com/ldlab/ldlab/cmd/ldlab@"+version)
	lab := filepath.Join(bin, "ldlab")
	alone := []string{"PATH=/nowhere", "LDLAB_CACHE=" + t.TempDir()}
	out := mustRun(t, dir, alone, lab, "--version")
	for _, want := range []string{"ldlab " + version + "\n", "commit 0123456789ab\n", "tables sha256 ", "made with the Go toolchain"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if out := mustRun(t, dir, alone, lab, "plan", "--kernel", "stock"); !strings.Contains(out, "stock") {
		t.Errorf("plan: %s", out)
	}
	if out, err := run(t, dir, alone, lab, "guests", "guests"); err == nil || !strings.Contains(out, "no Go toolchain in PATH") {
		t.Errorf("guests without a toolchain: %v, %s", err, out)
	}
	if out, err := run(t, dir, alone, lab, "doctor"); err == nil || !strings.Contains(out, "builds the guest's programs: https://go.dev/dl") {
		t.Errorf("doctor without a toolchain: %v, %s", err, out)
	}
}

// TestDepends: the package depends on all that the lab needs, because users install it
// without recommended packages. QEMU's are hundreds, mostly of graphics.
func TestDepends(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "packaging/debian/control"))
	if err != nil {
		t.Fatal(err)
	}
	need := []string{"apt", "debian-archive-keyring"} // signs the lists of Debian's kernels
	for _, a := range arch.All() {
		need = append(need, a.QEMUPackage)
		if a.FirmwarePackage != "" {
			need = append(need, a.FirmwarePackage)
		}
	}
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "Depends: "); ok {
			has := strings.Split(strings.TrimSpace(list), ", ")
			need = slices.DeleteFunc(need, func(p string) bool { return slices.Contains(has, p) })
		}
		if strings.HasPrefix(line, "Recommends:") {
			t.Errorf("%q is not installed with --no-install-recommends", strings.TrimSpace(line))
		}
	}
	if len(need) > 0 {
		t.Errorf("the package does not depend on %q", need)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if install := "apt install --no-install-recommends ./out/ldlab_"; err != nil || !strings.Contains(string(readme), install) {
		t.Errorf("README.md does not have %q: %v", install, err)
	}
}
