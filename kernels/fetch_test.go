package kernels

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/internal/host"
)

// archive makes a compressed tarball of a fake tree, and gives its checksum.
func archive(t *testing.T) (file, sha string) {
	t.Helper()
	testutil.RequireProgram(t, "tar")
	dir := t.TempDir()
	for name, text := range fakeTree {
		write(t, filepath.Join(dir, "linux-6.12.1", name), text)
	}
	file = filepath.Join(dir, "linux.tar.gz")
	if out, err := exec.Command("tar", "-C", dir, "-czf", file, "linux-6.12.1").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	sha, err := host.SumFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, sha
}

// clean checks that a fetch that failed left nothing that a later one, or a
// user, could take for a source.
func (b *bench) clean() {
	b.t.Helper()
	filepath.WalkDir(filepath.Join(b.cache, "sources"), func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != ".lock" {
			b.t.Errorf("left %s", file)
		}
		return nil
	})
}

func TestTarball(t *testing.T) {
	file, sha := archive(t)
	b := newBench(t, "tarball:"+file+"#sha256="+sha)
	built, text := b.build(b.spec("patched"))
	if text != "a b patched new" || built.Provenance.BaseSHA256 != sha || built.Provenance.BaseVersion != "6.12.1" {
		t.Errorf("image holds %q: %+v", text, built.Provenance)
	}
	// The origin is shared by hard links and must stay as it was.
	origins, _ := filepath.Glob(filepath.Join(b.cache, "sources/*/tree/tree/c.c"))
	if len(origins) != 1 {
		t.Fatalf("origins: %s", origins)
	}
	if got, _ := os.ReadFile(origins[0]); string(got) != "c\n" {
		t.Errorf("the origin was written to: %q", got)
	}
	built, text = b.build(b.spec("plain"))
	if text != "a b c" || compiled(t, built) != "c.c" {
		t.Errorf("image holds %q, compiled %s", text, compiled(t, built))
	}
	// Once fetched, the tarball is not needed.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(b.cache, "kernels")); err != nil {
		t.Fatal(err)
	}
	if _, text := b.build(b.spec("patched")); text != "a b patched new" {
		t.Errorf("image holds %q", text)
	}
}

func TestTarballFails(t *testing.T) {
	file, sha := archive(t)
	other := strings.Repeat("0", 64)
	b := newBench(t, "tarball:"+file+"#sha256="+other)
	b.fails(context.Background(), b.spec("plain"), "fetch tarball:"+file, "sha256 is "+sha+", not the expected one")
	b.clean()

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"truncated":    whole[:len(whole)/2],
		"empty":        nil,
		"no archive":   []byte(strings.Repeat("hello", 1000)),
		"not a kernel": tarOf(t, map[string]string{"x/README": "hello"}),
		"no directory": tarOf(t, map[string]string{"Makefile": "hello"}),
	} {
		bad := filepath.Join(t.TempDir(), "bad.tar.gz")
		write(t, bad, string(data))
		b := newBench(t, "tarball:"+bad+"#sha256="+host.Sum(data))
		err := b.fails(context.Background(), b.spec("plain"), "fetch tarball:"+bad)
		t.Logf("%s: %v", name, err)
		b.clean()
	}
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	dir := tree(t, files)
	out, err := exec.Command("tar", "-C", dir, "-cz", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTarballURL(t *testing.T) {
	file, sha := archive(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole.tar.gz":
			w.Write(whole)
		case "/cut.tar.gz":
			w.Header().Set("Content-Length", "1000000")
			w.Write(whole)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	b := newBench(t, "tarball:"+server.URL+"/whole.tar.gz#sha256="+sha)
	if _, text := b.build(b.spec("plain")); text != "a b c" {
		t.Errorf("image holds %q", text)
	}
	b = newBench(t, "tarball:"+server.URL+"/cut.tar.gz#sha256="+sha)
	b.fails(context.Background(), b.spec("plain"), "unexpected EOF")
	b.clean()
	b = newBench(t, "tarball:"+server.URL+"/none.tar.gz#sha256="+sha)
	b.fails(context.Background(), b.spec("plain"), "the server answers 404")
	b.clean()
}

// repository is a git repository with the fake tree in its first commit.
func repository(t *testing.T) (repo string, run func(args ...string)) {
	t.Helper()
	git := testutil.RequireProgram(t, "git")
	testutil.RequireProgram(t, "tar")
	repo = tree(t, fakeTree)
	run = func(args ...string) {
		t.Helper()
		cmd := exec.Command(git, append([]string{"-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %s", args, out)
		}
	}
	run("init", "-q")
	run("add", "-A")
	run("commit", "-q", "-m", "one")
	return repo, run
}

func TestGit(t *testing.T) {
	repo, run := repository(t)
	write(t, filepath.Join(repo, "a.c"), "not committed\n")
	b := newBench(t, "git:"+repo+"@HEAD")
	built, text := b.build(b.spec("plain"))
	if text != "a b c" || !strings.HasPrefix(built.Provenance.BaseDetail, "commit ") {
		t.Errorf("image holds %q: %+v", text, built.Provenance)
	}
	run("commit", "-q", "-a", "-m", "two") // HEAD moves, and that is seen
	if _, ok, err := b.builder().Lookup(context.Background(), b.spec("plain")); ok || err != nil {
		t.Errorf("found %v, %v", ok, err)
	}
	if _, text := b.build(b.spec("plain")); text != "not committed b c" {
		t.Errorf("image holds %q", text)
	}
	b = newBench(t, "git:"+repo+"@nosuch")
	b.fails(context.Background(), b.spec("plain"), "fetch git:"+repo+"@nosuch", "no such revision")
	b = newBench(t, "git:"+filepath.Join(repo, "nosuch")+"@HEAD")
	b.fails(context.Background(), b.spec("plain"), "no such file or directory")
}

func TestDirFails(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, "dir:"+dir)
	b.fails(context.Background(), b.spec("plain"), "use source dir:"+dir+": not a kernel tree: no Makefile")
	write(t, filepath.Join(dir, "Makefile"), "all:\n")
	b.fails(context.Background(), b.spec("plain"), "not a kernel tree: Makefile has no VERSION")
	write(t, filepath.Join(dir, "Makefile"), strings.Replace(fakeMakefile, "12", "6", 1))
	write(t, filepath.Join(dir, "Kconfig"), "")
	b.fails(context.Background(), b.spec("plain"), "it is Linux 6.6.1, and base b is >= 6.12, < 6.13")
	spec := b.spec("patched")
	source, err := ParseSource("dir:" + dir)
	if err != nil {
		t.Fatal(err)
	}
	spec.Source = &source // the base's versions don't bind it, the series' do
	b.fails(context.Background(), spec, "apply series s: it is for Linux = 6.12.1, and dir:"+dir+" is 6.6.1")
}
