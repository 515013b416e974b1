package initramfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"go/build"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/proc"
	"github.com/ldlab/ldlab/internal/testutil"
)

var testArch = arch.All()[0]

// TestImage: an installed ldlab builds its guest from embedded sources, outside
// of any checkout, with the same bytes each time, for every architecture.
func TestBuildIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the guest program for every architecture")
	}
	extra := filepath.Join(t.TempDir(), "extra")
	if err := os.WriteFile(extra, []byte("signed"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			c := Config{Arch: a, Cache: t.TempDir(), Files: map[string]string{"/ldlab/kexec-signed": extra}}
			first, err := Build(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			again, err := Build(t.Context(), c)
			if err != nil || !again.Cached || again.Path != first.Path || again.SHA256 != first.SHA256 {
				t.Errorf("again: %+v, %v", again, err)
			}
			t.Logf("%d bytes; warm build %v", first.Size, time.Since(begin))
			c.Cache = t.TempDir()
			other, err := Build(t.Context(), c)
			if err != nil || other.Cached || other.SHA256 != first.SHA256 {
				t.Errorf("in another cache: %+v, %v", other, err)
			}
			b, err := os.ReadFile(first.Path)
			if err != nil {
				t.Fatal(err)
			}
			all := testutil.Archives(t, b)
			if len(all) != 1 {
				t.Fatalf("%d archives", len(all))
			}
			all[0].Check(t, testutil.HasFile("ldlab/kexec-signed", "signed", 0o600), testutil.InOrder)
			if !strings.HasPrefix(all[0].Content("init"), "\x7fELF") {
				t.Error("/init is not an ELF file")
			}
		})
	}
}

func TestBuildWithShell(t *testing.T) {
	if testing.Short() {
		t.Skip("u-root's builder takes a minute")
	}
	// The user's environment does not reach the builder.
	t.Setenv("GOFLAGS", "-mod=mod -tags=nonsense")
	t.Setenv("GOWORK", "/nowhere/go.work")
	img, err := Build(t.Context(), Config{Arch: testArch, Cache: t.TempDir(), Shell: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(img.Path)
	if err != nil {
		t.Fatal(err)
	}
	all := testutil.Archives(t, b)
	if len(all) != 2 {
		t.Fatalf("%d archives, want 2", len(all))
	}
	for _, c := range append(shellCommands, "sh") {
		all[0].Check(t, testutil.HasRecord("bbin/"+c))
	}
	all[0].Check(t, testutil.HasLink("bin/sh", "../bbin/sh"))
	all[1].Check(t, testutil.HasRecord("init"))
	if testArch.Native() {
		t.Run("sh", func(t *testing.T) { testShells(t, all[0].Content("bbin/bb")) })
	}
}

// testShells runs the guest's shells on the host: gosh gets the command line as
// ldlab shell sends it.
func testShells(t *testing.T, busybox string) {
	dir := testutil.Tree(t, map[string]string{"bb": busybox, "script": "#!/no/interpreter\necho script $1; exit 6\n"})
	if err := os.Chmod(dir+"/bb", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"gosh": "bb", "sh": "bb", "bin/sh": "../sh"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		line, stdin, out string
		status           int
	}{
		{"sh -c 'echo hello; exit 3'", "", "hello\n", 3},
		{"sh -c exit", "", "", 0},
		{"sh -lc 'echo hello'", "", "hello\n", 0},
		{"sh -ec 'false; echo no'", "", "", 1},
		{dir + "/sh -c 'exit 4'", "", "", 4},
		{"sh " + dir + "/script one", "", "script one\n", 6},
		{"sh", "echo from stdin; exit 5\n", "from stdin\n", 5},
		{dir + "/bin/sh -lc 'exit 9'", "", "", 9},
		{"sh -c 'ldlab-no-such-command'", "", "", 127},
		{"exit 8", "", "", 8},
	} {
		out, err := proc.Output(t.Context(), proc.Command{
			Path: dir + "/gosh", Argv: []string{"/bbin/gosh", "-c", tt.line}, Env: []string{"PATH=" + dir}, Stdin: strings.NewReader(tt.stdin),
		})
		status := 0
		var failed *proc.Error
		if errors.As(err, &failed) && failed.State != nil {
			status = failed.State.ExitCode()
		}
		if status != tt.status || string(out) != tt.out {
			t.Errorf("%s: status %d, want %d; output %q, want %q; %v", tt.line, status, tt.status, out, tt.out, err)
		}
	}
}

func TestBuildErrorsAreOneLine(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		ctx  context.Context
		env  map[string]string
		c    Config
		want string
	}{
		"no Go":    {t.Context(), map[string]string{"PATH": "/nowhere"}, Config{}, "find go: no Go toolchain in PATH"},
		"bad Go":   {t.Context(), map[string]string{"PATH": fakeGo(t, "echo gibberish")}, Config{}, "run go env: unexpected output"},
		"no cache": {t.Context(), nil, Config{Cache: filepath.Join(file, "cache")}, "open cache: "},
		"no file":  {t.Context(), map[string]string{"PATH": fakeGo(t, answers+`for last; do [ "$prev" = -o ] && echo elf >"$last"; prev=$last; done`)}, Config{Files: map[string]string{"/x": "/no/such"}}, "read file for guest: open /no/such"},
		"no modules": {t.Context(), map[string]string{"PATH": fakeGo(t, answers+`echo "go: downloading x" >&2; echo "x.go:1:2: no module provides package x" >&2; echo more >&2; exit 1`)}, Config{},
			"compile guest program: exit status 1: x.go:1:2: no module provides package x"},
		"full disk": {t.Context(), map[string]string{"PATH": fakeGo(t, answers+`echo "# pkg" >&2; echo "x" >&2; echo "write /x: no space left on device" >&2; exit 1`)}, Config{},
			"compile guest program: exit status 1: write /x: no space left on device"},
		"canceled": {canceled, nil, Config{}, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			tt.c.Arch = testArch
			if tt.c.Cache == "" {
				tt.c.Cache = t.TempDir()
			}
			_, err := Build(tt.ctx, tt.c)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// answers makes a fake go command print its version and GOROOT.
const answers = `[ "$1" = env ] && { echo go1.99; echo /goroot; exit 0; }; `

// fakeGo returns a PATH with only a go command that is a shell script.
func fakeGo(t *testing.T, script string) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// slowGo returns a PATH with a go command whose compiler never ends, and a pipe
// that is open as long as one of its processes lives.
func slowGo(t *testing.T) (path string, lifeline *bufio.Reader) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(fifo, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), fifo)
	t.Cleanup(func() { f.Close() })
	// Reading the pipe returns end of file while no process has it open for
	// writing.
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	script := answers + "exec 3>" + fifo + "; /bin/sh -c '/bin/sleep 1000 & echo ready >&3; wait' & wait"
	return fakeGo(t, script), bufio.NewReader(lastWriter{f, w})
}

// A lastWriter closes its own writing end after the first line.
type lastWriter struct{ r, w *os.File }

func (l lastWriter) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	l.w.Close()
	return n, err
}

// ends fails the test if a process of slowGo lives a minute after the build.
func ends(t *testing.T, lifeline *bufio.Reader) {
	t.Helper()
	done := make(chan error, 1)
	go func() { _, err := io.ReadAll(lifeline); done <- err }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the compiler still runs")
	}
}

func TestCancelEndsTheBuild(t *testing.T) {
	path, lifeline := slowGo(t)
	t.Setenv("PATH", path)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := Build(ctx, Config{Arch: testArch, Cache: t.TempDir()})
		failed <- err
	}()
	if line, err := lifeline.ReadString('\n'); line != "ready\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	ends(t, lifeline)
}

const helperEnv = "LDLAB_INITRAMFS_TEST_CACHE"

// TestMain is also the main function of a process that builds an image until it
// is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		_, err := Build(context.Background(), Config{Arch: testArch, Cache: dir})
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(testutil.Main(m, testutil.NoChildren()))
}

// TestKilledLabEndsTheBuild: no compiler outlives an ldlab that was killed.
func TestKilledLabEndsTheBuild(t *testing.T) {
	path, lifeline := slowGo(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PATH="+path, helperEnv+"="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := lifeline.ReadString('\n'); line != "ready\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	ends(t, lifeline)
}

// TestProgress: slow steps and damaged cache entries are reported to the user
// before the work.
func TestProgress(t *testing.T) {
	t.Setenv("PATH", fakeGo(t, answers+`for last; do [ "$prev" = -o ] && echo elf >"$last"; prev=$last; done`))
	var lines []string
	c := Config{Arch: testArch, Cache: t.TempDir(), Progress: func(line string) { lines = append(lines, line) }}
	first, err := Build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"building the guest program for " + testArch.Name + " lean"}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
	lines = nil
	again, err := Build(t.Context(), c)
	if err != nil || !again.Cached || again.SHA256 != first.SHA256 || len(lines) > 0 {
		t.Errorf("again: %+v, %v, %q", again, err, lines)
	}
	if err := os.Truncate(first.Path, 1); err != nil {
		t.Fatal(err)
	}
	again, err = Build(t.Context(), c)
	if err != nil || again.Cached || again.SHA256 != first.SHA256 || len(lines) != 1 || !strings.HasPrefix(lines[0], "cache entry initramfs/") {
		t.Errorf("damaged: %+v, %v, %q", again, err, lines)
	}
}

func TestGoEnvIsClean(t *testing.T) {
	got := strings.Join(goEnv([]string{"HOME=/h", "GOFLAGS=-x", "GOWORK=/w", "GOARCH=z", "GOPROXY=p", "CGO_CFLAGS=q", "GOMODCACHE=m"}), " ")
	if want := "HOME=/h GOPROXY=p GOMODCACHE=m GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS=linux"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSourceIsComplete: this program embeds each of our packages that the guest
// program needs, for every architecture, and no test.
func TestSourceIsComplete(t *testing.T) {
	files, err := readSource(ldlab.GuestSource)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f.name] = true
		if strings.HasSuffix(f.name, "_test.go") {
			t.Errorf("%s is embedded", f.name)
		}
	}
	const module = "github.com/ldlab/ldlab/"
	for _, a := range arch.All() {
		bctx := build.Default
		bctx.GOOS, bctx.GOARCH, bctx.CgoEnabled = "linux", a.GOARCH, false
		seen := map[string]bool{}
		for todo := []string{"initramfs/guest"}; len(todo) > 0; todo = todo[1:] {
			dir := todo[0]
			if seen[dir] {
				continue
			}
			seen[dir] = true
			p, err := bctx.ImportDir(filepath.Join("..", dir), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range append(p.GoFiles, p.SFiles...) {
				if !have[dir+"/"+f] {
					t.Errorf("%s/%s is missing", dir, f)
				}
			}
			for _, i := range p.Imports {
				if rel, ours := strings.CutPrefix(i, module); ours {
					todo = append(todo, rel)
				}
			}
		}
	}
}
