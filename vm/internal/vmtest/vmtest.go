// Package vmtest has what the tests of vm and of vm/template share.
package vmtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/testutil"
)

// scratch is where every test machine keeps its initrd: a QEMU that has this
// path in its arguments is ours.
var scratch string

// Main runs the tests and returns the exit status, which is 1 too if they left
// processes or memory files behind.
func Main(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "ldlab-vm-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return testutil.Main(m, testutil.NoProcesses(scratch), testutil.NoDescriptors("memfd:ldlab-"))
}

// EachArch runs f for every architecture, in parallel with other tests.
func EachArch(t *testing.T, f func(*testing.T, *arch.Arch)) {
	t.Parallel()
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) { f(t, a) })
	}
}

// A Guest is a kernel and the test guest.
type Guest struct{ Kernel, Initrd, QEMU string }

// Needs returns a guest of an architecture, or ends the test if the kernel or
// QEMU is missing.
func Needs(t testing.TB, a *arch.Arch) Guest {
	t.Helper()
	name := "LDLAB_TEST_KERNEL_" + strings.ToUpper(a.Name)
	kernel := os.Getenv(name)
	if kernel == "" {
		testutil.Require(t, "qemu", fmt.Errorf("%s is not set", name))
	}
	qemu, err := exec.LookPath(a.QEMU)
	testutil.Require(t, "qemu", err)
	initrd, err := initrds[a.Name]()
	if err != nil {
		t.Fatal(err)
	}
	return Guest{kernel, initrd, qemu}
}

// initrds build the test guest, once for each architecture.
var initrds = func() map[string]func() (string, error) {
	m := map[string]func() (string, error){}
	for _, a := range arch.All() {
		m[a.Name] = sync.OnceValues(func() (string, error) { return buildInitrd(a) })
	}
	return m
}()

func buildInitrd(a *arch.Arch) (string, error) {
	init := filepath.Join(scratch, "init."+a.Name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", init, "github.com/ldlab/ldlab/vm/internal/testguest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build test guest: %w\n%s", err, out)
	}
	program, err := os.ReadFile(init)
	if err != nil {
		return "", err
	}
	var buf bytes.Buffer
	w := cpio.Newc.Writer(&buf)
	for _, r := range []cpio.Record{
		cpio.Directory("dev", 0o755), cpio.Directory("proc", 0o755), cpio.Directory("sys", 0o755),
		cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.StaticFile("init", string(program), 0o755),
	} {
		if err := w.WriteRecord(cpio.MakeReproducible(r)); err != nil {
			return "", err
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return "", err
	}
	path := filepath.Join(scratch, "initrd."+a.Name)
	return path, os.WriteFile(path, buf.Bytes(), 0o644)
}

// Hangs is what the test guest writes to its console before it does nothing.
const Hangs = "testguest: hangs"

// A Mark is the Console of a machine. It waits for what the guest writes.
type Mark struct {
	text string
	end  []byte
	seen chan struct{}
	once sync.Once
}

// NewMark waits for text.
func NewMark(text string) *Mark { return &Mark{text: text, seen: make(chan struct{})} }

func (m *Mark) Write(b []byte) (int, error) {
	m.end = append(m.end, b...)
	if bytes.Contains(m.end, []byte(m.text)) {
		m.once.Do(func() { close(m.seen) })
	}
	m.end = slices.Clone(m.end[max(0, len(m.end)-len(m.text)):])
	return len(b), nil
}

// Await returns when the guest has written the text, and ends the test if it
// does not within the time that a boot may take on this host.
func (m *Mark) Await(t *testing.T, a *arch.Arch) {
	t.Helper()
	select {
	case <-m.seen:
	case <-time.After(pace.Host().Limit(Scaled(a, 20*time.Second))):
		t.Fatalf("the guest did not write %q", m.text)
	}
}

// Scaled is a time in an emulated guest, on a host of pace 1.
func Scaled(a *arch.Arch, native time.Duration) time.Duration {
	return time.Duration(float64(native) * a.Scale)
}

// GroupAlive reports whether a group has a process that still runs: one that
// only waits to be reaped by init is gone.
func GroupAlive(t testing.TB, group int) bool {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// pid (comm) state ppid pgrp: proc_pid_stat(5)
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if fields[2] == fmt.Sprint(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}
