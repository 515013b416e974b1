package initramfs

import (
	"context"
	"errors"
	"go/build"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab"
	"github.com/ldlab/ldlab/internal/arch"
)

var testArch = arch.All()[0]

// An installed ldlab builds its guest from what it carries: for every
// architecture, outside of any checkout, the same bytes each time.
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
			all := archives(t, b)
			if content, _ := record(t, all[0], "ldlab/kexec-signed"); len(all) != 1 || content != "signed" {
				t.Errorf("%d archives, file is %q", len(all), content)
			}
			if program, _ := record(t, all[0], "init"); !strings.HasPrefix(program, "\x7fELF") {
				t.Error("/init is no ELF file")
			}
		})
	}
}

func TestBuildWithShell(t *testing.T) {
	if testing.Short() {
		t.Skip("u-root's builder takes a minute")
	}
	// Nothing the user has set reaches the builder.
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
	all := archives(t, b)
	if len(all) != 2 {
		t.Fatalf("%d archives, want 2", len(all))
	}
	for _, c := range shellCommands {
		record(t, all[0], "bbin/"+c)
	}
	record(t, all[1], "init")
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
		"bad Go":   {t.Context(), map[string]string{"PATH": fakeGo(t, "echo gibberish")}, Config{}, "ask go for its version: "},
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

// answers makes a fake go command say who it is.
const answers = `[ "$1" = env ] && { echo go1.99; echo /goroot; exit 0; }; `

// fakeGo gives a PATH with nothing but a go command that is a shell script.
func fakeGo(t *testing.T, script string) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCancelEndsTheBuild(t *testing.T) {
	t.Setenv("PATH", fakeGo(t, answers+"/bin/sleep 60; exit 1"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := Build(ctx, Config{Arch: testArch, Cache: t.TempDir()})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 4*time.Second {
		t.Errorf("got %v after %v", err, time.Since(begin))
	}
}

func TestGoEnvIsClean(t *testing.T) {
	got := strings.Join(goEnv([]string{"HOME=/h", "GOFLAGS=-x", "GOWORK=/w", "GOARCH=z", "GOPROXY=p", "CGO_CFLAGS=q", "GOMODCACHE=m"}), " ")
	if want := "HOME=/h GOPROXY=p GOMODCACHE=m GOFLAGS= GOWORK=off CGO_ENABLED=0 GOOS=linux"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Every package of ours that the guest program is built from is carried, for
// every architecture, and no test.
func TestSourceIsComplete(t *testing.T) {
	files, err := readSource(ldlab.GuestSource)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f.name] = true
		if strings.HasSuffix(f.name, "_test.go") {
			t.Errorf("%s is carried along", f.name)
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
