package packaging

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/testutil"
)

// firstMatrix is how long installing the package and the first matrix may take together.
const firstMatrix = 5 * time.Minute

// The commands that a newcomer types.
const (
	installIt = "apt-get update -q && apt install -y --no-install-recommends ./ldlab_*.deb"
	runIt     = "ldlab run --kernel debian:6.12-cloud --arch x86_64"
)

// TestPackageForReal builds the Debian package twice, looks at it with lintian, and
// installs it into a clean Debian 12, where two commands must give a matrix. It takes ten
// minutes, root and a Debian mirror: the one that this machine is configured with.
func TestPackageForReal(t *testing.T) {
	if os.Getenv("LDLAB_PACKAGE") == "" {
		t.Skip("set LDLAB_PACKAGE=1 to build the package and to install it into a clean chroot")
	}
	var lack error
	if os.Geteuid() != 0 {
		lack = fmt.Errorf("user %d cannot make a chroot", os.Geteuid())
	}
	testutil.Require(t, "root", lack)
	for _, program := range []string{"apt-get", "debootstrap", "dpkg-deb", "git", "lintian", "unshare"} {
		testutil.RequireProgram(t, program)
	}
	deb := buildDeb(t, root)
	// Root builds it here, which lintian does not like.
	if out, err := run(t, root, nil, "lintian", "--allow-root", "--fail-on", "error", deb); err != nil {
		t.Errorf("lintian: %v: %s", err, out)
	}
	t.Run("reproducible", func(t *testing.T) { checkReproducible(t, deb) })
	t.Run("chroot", func(t *testing.T) { checkChroot(t, deb) })
}

// buildDeb returns the path of the package.
func buildDeb(t *testing.T, dir string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/deb")
	var log bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), &log
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/deb: %v: %s", err, log.String())
	}
	path, err := filepath.Abs(filepath.Join(dir, strings.TrimSpace(string(out))))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// checkReproducible builds the package in another directory, with an empty cache.
func checkReproducible(t *testing.T, deb string) {
	if strings.Contains(deb, "+dirty") {
		t.Skip("the tree is not that of its commit, so there is nothing to compare with")
	}
	dir := filepath.Join(t.TempDir(), "elsewhere")
	mustRun(t, root, nil, "git", "clone", "-q", "--shared", ".", dir)
	if work, err := os.ReadFile(filepath.Join(root, "go.work")); err == nil { // see scripts/deps
		if err := os.WriteFile(filepath.Join(dir, "go.work"), work, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	other := buildDeb(t, dir, "LDLAB_CACHE="+t.TempDir())
	var sums [2][32]byte
	for i, path := range []string{deb, other} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = sha256.Sum256(b)
	}
	if filepath.Base(deb) != filepath.Base(other) || sums[0] != sums[1] {
		t.Errorf("%s has sha256 %x, and %s has %x", deb, sums[0], other, sums[1])
	}
}

// checkChroot installs the package as a newcomer does, and measures how long the first
// matrix takes.
func checkChroot(t *testing.T, deb string) {
	sources := debianSources(t)
	dir := filepath.Join(t.TempDir(), "chroot")
	begin := time.Now()
	mustRun(t, ".", nil, "debootstrap", "--variant=minbase", "bookworm", dir, strings.Fields(sources)[1])
	t.Logf("a clean Debian 12: %.0f s", time.Since(begin).Seconds())
	if err := os.WriteFile(filepath.Join(dir, "etc/apt/sources.list"), []byte(sources), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, ".", nil, "cp", deb, filepath.Join(dir, "root"))

	begin = time.Now()
	out, err := inChroot(t, dir, installIt)
	installed := time.Since(begin)
	if err != nil {
		t.Fatalf("%s: %v: %s", installIt, err, out)
	}
	begin = time.Now()
	out, err = inChroot(t, dir, runIt)
	ran := time.Since(begin)
	t.Logf("%s: %.0f s; %s: %.0f s", installIt, installed.Seconds(), runIt, ran.Seconds())
	if installed+ran > firstMatrix {
		t.Errorf("the first matrix takes %.0f s, want at most %.0f s", (installed + ran).Seconds(), firstMatrix.Seconds())
	}
	// Not every reason can be tested on the kernel of a cloud: exit status 4.
	if status, ok := err.(*exec.ExitError); err != nil && (!ok || status.ExitCode() != 4) {
		t.Errorf("%s: %v", runIt, err)
	}
	for _, want := range []string{"debian:6.12-cloud x86_64: ", "enforced (deny)", "reasons are enforced here: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if out, err := inChroot(t, dir, "command -v go gcc; ldlab --version"); err != nil || !strings.Contains(out, "programs of guests: in /usr/lib/ldlab/guests\n") || strings.HasPrefix(out, "/") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := inChroot(t, dir, "apt-get purge -qy ldlab >/dev/null && find /usr /etc -name '*ldlab*'"); err != nil || strings.Contains(out, "/ldlab") {
		t.Errorf("left after a purge: %v: %s", err, out)
	}
}

// debianSources are the apt sources of Debian 12 that this machine is configured with, a
// line each, Debian's archive first.
func debianSources(t *testing.T) string {
	t.Helper()
	out := mustRun(t, ".", nil, "apt-get", "indextargets", "--format", "$(LABEL)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian", "Component: main")
	var first, rest []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		label, source, _ := strings.Cut(line, "|")
		switch {
		case !strings.Contains(source, " bookworm"):
		case label == "Debian" && strings.Contains(source, " bookworm main"):
			first = append(first, source)
		default:
			rest = append(rest, source)
		}
	}
	if len(first) != 1 {
		t.Fatalf("this machine's apt sources have %d mirrors of Debian 12, want one", len(first))
	}
	return strings.Join(append(first, rest...), "\n") + "\n"
}

// inChroot runs a command of a shell in a clean environment, with /proc and /dev, in
// namespaces of its own, so that nothing of it stays.
func inChroot(t *testing.T, dir, command string) (string, error) {
	t.Helper()
	const script = `set -e
mount --make-rprivate /
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "cd /root; $1"`
	return run(t, ".", nil, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, dir, command)
}
