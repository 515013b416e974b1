package kernels

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/internal/host"
)

// A mirror is a Debian mirror with a few suites, which the machine's own apt reads.
// Its lists may name files that it does not serve.
type mirror struct {
	t      *testing.T
	root   string
	server *httptest.Server

	mu    sync.Mutex
	asked []string // paths of requests
}

// newMirror starts a mirror of which the machine is configured with the suite
// oldstable only.
func newMirror(t *testing.T) *mirror {
	t.Helper()
	for _, program := range []string{"apt-get", "dpkg-deb", "tar"} {
		testutil.RequireProgram(t, program)
	}
	m := &mirror{t: t, root: t.TempDir()}
	files := http.FileServer(http.Dir(m.root))
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked = append(m.asked, r.URL.Path)
		m.mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(m.server.Close)
	etc := t.TempDir()
	write(t, filepath.Join(etc, "sources.list"), "deb [trusted=yes] "+m.server.URL+"/debian oldstable main\n")
	write(t, filepath.Join(etc, "apt.conf"), fmt.Sprintf("Dir::Etc::SourceList \"%s\";\nDir::Etc::SourceParts \"/dev/null\";\n"+
		"APT::Get::AllowUnauthenticated \"1\";\nAcquire::AllowInsecureRepositories \"1\";\nAPT::Architecture \"amd64\";\nAPT::Architectures { \"amd64\"; };\n"+
		"Acquire::http::Proxy \"DIRECT\";\nAcquire::http::Timeout \"2\";\nAcquire::Retries \"0\";\n", filepath.Join(etc, "sources.list")))
	t.Setenv("APT_CONFIG", filepath.Join(etc, "apt.conf"))
	return m
}

// suite publishes lists: of packages, and of source packages.
func (m *mirror) suite(name, packages, sources string) {
	m.t.Helper()
	dir := filepath.Join(m.root, "debian/dists", name)
	packages += "Package: other\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nFilename: other.deb\nSize: 3\nSHA256: " + host.Sum([]byte("deb")) + "\nDescription: t\n\n"
	codename := name
	if name == "experimental" {
		codename = "rc-buggy"
	}
	release := fmt.Sprintf("Origin: Debian\nLabel: Debian\nSuite: %s\nCodename: %s\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64 all\nComponents: main\nSHA256:\n", name, codename)
	for file, text := range map[string]string{"main/binary-amd64/Packages": packages, "main/source/Sources": sources} {
		write(m.t, filepath.Join(dir, file), text)
		release += fmt.Sprintf(" %s %d %s\n", host.Sum([]byte(text)), len(text), file)
	}
	write(m.t, filepath.Join(dir, "Release"), release)
}

// requests counts the requests since the last call.
func (m *mirror) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.asked)
	m.asked = nil
	return n
}

// pool puts a file into the mirror and returns its path there.
func (m *mirror) pool(file string, data []byte) string {
	name := path.Join("pool/main/l/linux", file)
	write(m.t, filepath.Join(m.root, "debian", name), string(data))
	return name
}

// deb makes a package with a kernel's tarball, and its entry in a list.
func (m *mirror) deb(name, version, tarball string) (entry string) {
	m.t.Helper()
	data, err := os.ReadFile(tarball)
	if err != nil {
		m.t.Fatal(err)
	}
	return m.pack(name, version, "all", map[string]string{"usr/src/linux-source-6.12.tar.gz": string(data)})
}

// pack makes a package with files, and its entry in a list.
func (m *mirror) pack(name, version, architecture string, files map[string]string) (entry string) {
	m.t.Helper()
	dir := m.t.TempDir()
	write(m.t, filepath.Join(dir, "DEBIAN/control"), fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: t <t@example.org>\nDescription: t\n", name, version, architecture))
	for file, text := range files {
		write(m.t, filepath.Join(dir, file), text)
	}
	file := filepath.Join(m.t.TempDir(), "x.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", dir, file).CombinedOutput(); err != nil {
		m.t.Fatalf("%s", out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	_, plain, _ := strings.Cut(":"+version, ":")
	in := m.pool(name+"_"+strings.TrimPrefix(plain, "1:")+"_"+architecture+".deb", data)
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: t <t@example.org>\nFilename: %s\nSize: %d\nSHA256: %s\nDescription: t\n\n",
		name, version, architecture, in, len(data), host.Sum(data))
}

// source makes the entry of a source package; data is upstream's tarball, which the
// mirror has unless it is missing.
func (m *mirror) source(version string, data []byte, missing bool) (entry string) {
	release := version[:strings.LastIndex(version, "-")]
	orig, dsc := "linux_"+release+".orig.tar.gz", "linux_"+version+".dsc"
	m.pool(dsc, []byte("dsc"))
	if !missing {
		m.pool(orig, data)
	}
	return fmt.Sprintf("Package: linux\nFormat: 3.0 (quilt)\nBinary: linux-doc\nArchitecture: all\nVersion: %s\nMaintainer: t <t@example.org>\nDirectory: pool/main/l/linux\n"+
		"Checksums-Sha256:\n %s 3 %s\n %s %d %s\nFiles:\n 0123456789abcdef0123456789abcdef 3 %s\n 0123456789abcdef0123456789abcdef %d %s\n\n",
		version, host.Sum([]byte("dsc")), dsc, host.Sum(data), len(data), orig, dsc, len(data), orig)
}

// notes collects what a build tells the user.
func notes(b *Builder) *[]string {
	var list []string
	b.Events = func(e Event) {
		if e.Phase == Noting {
			list = append(list, e.Message)
		}
	}
	return &list
}

func TestApt(t *testing.T) {
	file, _ := archive(t)
	m := newMirror(t)
	m.suite("oldstable", m.deb("fake-source", "1:6.12.1-1", file), "")
	b := newBench(t, "apt:fake-source")
	built, text := b.build(b.spec("patched"))
	if text != "a b patched new" || built.Provenance.BaseDetail != "fake-source 1:6.12.1-1" || len(built.Provenance.BaseSHA256) != 64 {
		t.Errorf("image holds %q: %+v", text, built.Provenance)
	}
	m.requests()
	b.build(b.spec("plain"))
	if n := m.requests(); n != 0 {
		t.Errorf("%d requests for a source that is in the cache", n)
	}
	builder := b.builder()
	builder.Refresh = true
	if again, err := builder.Build(context.Background(), b.spec("plain")); err != nil || m.requests() == 0 {
		t.Errorf("refresh: %+v, %v, or no request", again, err)
	}
	source, _ := ParseSource("apt:no-source")
	spec := b.spec("plain")
	spec.Source = &source
	b.fails(context.Background(), spec, "fetch apt:no-source: there is no package no-source in the machine's apt sources or in another suite of their Debian mirror")
}

// A package that is in another suite of the machine's mirror is found there, and a
// version that the mirror lists and lacks is not the end.
func TestAptElsewhere(t *testing.T) {
	file, _ := archive(t)
	m := newMirror(t)
	m.suite("oldstable", "", "")
	listed := m.deb("fake-source", "6.12.9-1", file)
	if err := os.Remove(filepath.Join(m.root, "debian/pool/main/l/linux/fake-source_6.12.9-1_all.deb")); err != nil {
		t.Fatal(err)
	}
	m.suite("experimental", m.deb("fake-source", "6.12.1-1", file)+listed, "")
	m.suite("rc-buggy", m.deb("fake-source", "6.12.2-1", file), "") // newer by the code name
	b := newBench(t, "apt:fake-source")
	builder := b.builder()
	told := notes(builder)
	built, err := builder.Build(t.Context(), b.spec("plain"))
	if err != nil || built.Provenance.BaseDetail != "fake-source 6.12.2-1" {
		t.Errorf("%v: %+v", err, built.Provenance)
	}
	want := "the mirror lists fake-source 6.12.9-1 and does not have it: trying 6.12.2-1"
	if !slices.Contains(*told, want) {
		t.Errorf("notes %q, want %q", *told, want)
	}
}

func TestUpstream(t *testing.T) {
	file, sha := archive(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := newMirror(t)
	m.suite("oldstable", "", m.source("6.13.1-1", data, false)+m.source("6.1.9-1", data, false))
	m.suite("stable", "", m.source("6.12.1-1", data, false)+m.source("6.12.10-1", data, true)+m.source("6.12.9~rc1-1~exp1", data, true))
	b := newBench(t, "upstream:6.12")
	builder := b.builder()
	told := notes(builder)
	built, err := builder.Build(t.Context(), b.spec("plain"))
	if err != nil || built.Provenance.BaseDetail != "linux_6.12.1.orig.tar.gz" || built.Provenance.BaseSHA256 != sha {
		t.Errorf("%v: %+v", err, built.Provenance)
	}
	for _, want := range []string{
		"the mirror lists the release 6.12.10 and does not have it: trying 6.12.9~rc1",
		"the mirror lists the release 6.12.9~rc1 and does not have it: trying 6.12.1",
	} {
		if !slices.Contains(*told, want) {
			t.Errorf("notes %q, want %q", *told, want)
		}
	}
}

func TestUpstreamFails(t *testing.T) {
	file, _ := archive(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := newMirror(t)
	whole := m.source("6.12.2-1", data, false)
	m.pool("linux_6.12.2.orig.tar.gz", data[:len(data)/2])
	cut := filepath.Join(t.TempDir(), "cut")
	write(t, cut, string(data[:len(data)/2]))
	debs := m.deb("damaged-source", "6.12.1-1", file) + m.deb("cut-source", "6.12.1-1", cut)
	m.pool("damaged-source_6.12.1-1_all.deb", []byte("junk"))
	m.suite("oldstable", debs, whole+m.source("6.5.3-1", data, true)+m.source("6.5.4-1", data, true)+m.source("6.6.1-1", data[:len(data)/2], false))
	for source, want := range map[string]string{
		"upstream:6.4":       "fetch upstream:6.4: no suite of the machine's Debian mirror has a source package of Linux 6.4",
		"upstream:6.5":       "fetch upstream:6.5: the mirror has none of the versions of the release that it lists: 6.5.4, 6.5.3",
		"upstream:6.6":       "fetch upstream:6.6: unpack: tar: exit status 2: gzip: stdin: unexpected end of file", // damaged before it was signed
		"upstream:6.12":      "linux_6.12.2.orig.tar.gz  Hash Sum mismatch",
		"apt:damaged-source": "fetch apt:damaged-source: the mirror has a damaged file: apt-get: exit status 100: E: Failed to fetch ",
		"apt:cut-source":     "fetch apt:cut-source: unpack: tar: exit status 2: gzip: stdin: unexpected end of file",
	} {
		b := newBench(t, source)
		b.fails(t.Context(), b.spec("plain"), want)
		for _, kind := range []string{"sources", "trees", "kernels"} {
			if found, _ := filepath.Glob(filepath.Join(b.cache, kind, "*")); len(found) > 0 {
				t.Errorf("%s: left %s", source, found)
			}
		}
	}
}

// Sources share apt's lists, and two at once wait for each other. That lists are not
// fetched again is apt's, for signed ones.
func TestAptListsAreShared(t *testing.T) {
	file, _ := archive(t)
	m := newMirror(t)
	m.suite("oldstable", "", "")
	m.suite("stable", m.deb("one", "6.12.1-1", file)+m.deb("two", "6.12.2-1", file), "")
	b := newBench(t, "apt:one")
	var wg sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		wg.Go(func() {
			source, _ := ParseSource("apt:" + name)
			spec := b.spec("plain")
			spec.Source = &source
			if _, err := b.builder().Build(t.Context(), spec); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	if shared, _ := filepath.Glob(filepath.Join(b.cache, "lists/*/state/lists/*Packages*")); len(shared) == 0 {
		t.Error("no lists are kept")
	}
	if left, _ := filepath.Glob(filepath.Join(b.cache, "sources/*/apt*")); len(left) > 0 {
		t.Errorf("a source has lists of its own: %q", left)
	}
}
