package template

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/guestproto/vport"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/vm"
)

// fakeEnv makes this test binary play QEMU; its value is the fake's kind.
const fakeEnv = "LDLAB_TEMPLATE_FAKE"

// Kinds of fake QEMUs. All refuse migration to and from plain files, as QEMU 11.
const (
	fakeGood     = "good"
	fakeWhole    = "no x-ignore-shared"       // RAM is part of the state
	fakeRefuses  = "refuses to migrate"       // and gives a reason
	fakeDies     = "dies while it saves"      // after half of the state
	fakeBadLoad  = "fails to load"            // and exits, as QEMU does
	fakeDeaf     = "never reads its state"    // it accepts migrate-incoming and waits
	fakeHangs    = "hangs at its third start" // it does not greet, and ignores SIGTERM
	fakeHalfDead = "accepts commands and never replies to migrate"
)

// fakeConfig is a machine whose QEMU is a fake of that kind. Everything in dir
// is the test's: QEMU itself, and the list of its starts.
func fakeConfig(t testing.TB, a *arch.Arch, kind string) (c vm.Config, dir string) {
	t.Helper()
	dir = t.TempDir()
	vmlinux := make([]byte, 64)
	copy(vmlinux, "\x7fELF")
	binary.LittleEndian.PutUint16(vmlinux[18:], 62)
	kernels := map[string][]byte{"x86_64": vmlinux, "arm64": append(make([]byte, 56), "ARM\x64    "...)}
	script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s='%s' exec '%s' '%s' \"$@\"\n", fakeEnv, kind, os.Args[0], dir)
	for name, content := range map[string][]byte{"kernel": kernels[a.Name], "initrd": []byte("070701"), "qemu": []byte(script)} {
		testutil.WriteProgram(t, filepath.Join(dir, name), content)
	}
	return vm.Config{
		Arch: a, MemoryMiB: 8, Dir: filepath.Join(dir, "machines"),
		Scale: 0.01, BootTimeout: pace.Host().Limit(time.Minute), // there is no guest that has to become idle
		Kernel: filepath.Join(dir, "kernel"), Initrd: filepath.Join(dir, "initrd"), QEMU: filepath.Join(dir, "qemu"),
	}, dir
}

// fakeState is larger than any pipe, so that both sides have to wait.
var fakeState = bytes.Repeat([]byte("the state of every device\n"), 150_000)

// fakeRAM is what the fake's guest has in its memory, at fakeRAMAt.
const (
	fakeRAM   = "the guest's memory"
	fakeRAMAt = 1 << 20
)

// A fake plays QEMU's side.
type fake struct {
	kind    string
	args    []string
	monitor *net.UnixConn
	file    *os.File // from getfd
}

// playQEMU is main of the fake.
func playQEMU(kind string) int {
	dir, args := os.Args[1], os.Args[2:]
	if slices.Contains(args, "--version") {
		fmt.Printf("QEMU emulator version 99.0 (%s)\n", kind)
		return 0
	}
	starts, err := os.OpenFile(filepath.Join(dir, "starts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fail(err)
	}
	fmt.Fprintln(starts, os.Getpid())
	if kind == fakeHangs {
		if b, _ := os.ReadFile(starts.Name()); bytes.Count(b, []byte("\n")) == 3 {
			select {} // SIGTERM ends it, no greeting comes
		}
	}
	conn, err := net.FileConn(os.NewFile(3, "monitor"))
	if err != nil {
		return fail(err)
	}
	f := &fake{kind: kind, args: args, monitor: conn.(*net.UnixConn)}
	if !slices.Contains(args, "-incoming") {
		if err := f.boot(); err != nil {
			return fail(err)
		}
	}
	return fail(f.serve())
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "fake:", err)
	return 1
}

// ram is the path of the guest's memory.
func (f *fake) ram() string {
	_, path, _ := strings.Cut(strings.Join(f.args, "\n"), ",mem-path=")
	path, _, _ = strings.Cut(path, "\n")
	return path
}

// boot plays the guest: it has something in memory, and is ready.
func (f *fake) boot() error {
	ram, err := os.OpenFile(f.ram(), os.O_RDWR, 0)
	if err == nil {
		_, err = ram.WriteAt([]byte(fakeRAM), fakeRAMAt)
	}
	if err == nil {
		_, err = os.NewFile(4, "port").Write([]byte(vport.Ready))
	}
	return err
}

func (f *fake) say(format string, args ...any) { fmt.Fprintf(f.monitor, format+"\r\n", args...) }

func (f *fake) moved(status string) {
	f.say(`{"event": "MIGRATION", "data": {"status": %q}}`, status)
}

// serve runs commands until quit.
func (f *fake) serve() error {
	f.say(`{"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 99}, "package": ""}, "capabilities": ["oob"]}}`)
	in, out := io.Pipe()
	go f.receive(out)
	for commands := json.NewDecoder(in); ; {
		var c struct {
			Execute   string
			Arguments struct {
				URI          string
				Capabilities []struct{ Capability string }
			}
		}
		if err := commands.Decode(&c); err != nil {
			return err
		}
		switch c.Execute {
		case "quit":
			f.say(`{"return": {}}`)
			os.Exit(0)
		case "migrate-set-capabilities":
			if f.kind == fakeWhole && c.Arguments.Capabilities[0].Capability == ignoreShared {
				f.say(`{"error": {"class": "GenericError", "desc": "Invalid parameter"}}`)
				continue
			}
			f.say(`{"return": {}}`)
		case "migrate":
			f.save()
		case "migrate-incoming":
			f.load(c.Arguments.URI)
		case "query-migrate":
			f.say(`{"return": {"status": "failed", "error-desc": "the fake did not like it"}}`)
		case "query-status":
			f.say(`{"return": {"status": "running"}}`)
		default:
			f.say(`{"return": {}}`)
		}
	}
}

// receive reads commands, and the descriptor that comes with getfd.
func (f *fake) receive(out *io.PipeWriter) {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, k, _, _, err := f.monitor.ReadMsgUnix(buf, oob)
		if n == 0 || err != nil {
			out.CloseWithError(io.EOF)
			return
		}
		if messages, _ := unix.ParseSocketControlMessage(oob[:k]); len(messages) > 0 {
			fds, _ := unix.ParseUnixRights(&messages[0])
			f.file = os.NewFile(uintptr(fds[0]), "state")
		}
		out.Write(buf[:n])
	}
}

// isPlain is migration/fd.c:migration_fd_valid of QEMU 11 turned around.
func isPlain(fd uintptr) bool {
	var s unix.Stat_t
	return unix.Fstat(int(fd), &s) != nil || s.Mode&unix.S_IFMT != unix.S_IFIFO && s.Mode&unix.S_IFMT != unix.S_IFSOCK
}

const plainFile = "fd: migration to a file is not supported. Use file: instead."

func (f *fake) save() {
	switch {
	case f.kind == fakeHalfDead:
		return
	case f.kind == fakeRefuses:
		f.say(`{"error": {"class": "GenericError", "desc": "State blocked by non-migratable device"}}`)
		return
	case isPlain(f.file.Fd()):
		f.say(`{"error": {"class": "GenericError", "desc": %q}}`, plainFile)
		return
	}
	f.say(`{"return": {}}`)
	half := len(fakeState) / 2
	f.file.Write(fakeState[:half])
	if f.kind == fakeDies {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	// QEMU reports completion first, and closes the descriptor after it.
	f.file.Write(fakeState[half:])
	f.moved("completed")
	f.file.Close()
}

func (f *fake) load(uri string) {
	var fd uintptr
	fmt.Sscanf(uri, "fd:%d", &fd)
	if isPlain(fd) {
		f.say(`{"error": {"class": "GenericError", "desc": %q}}`, plainFile)
		return
	}
	f.say(`{"return": {}}`)
	if f.kind == fakeDeaf {
		return
	}
	got, err := io.ReadAll(os.NewFile(fd, "state"))
	if err != nil || sha256.Sum256(got) != sha256.Sum256(fakeState) || f.kind == fakeBadLoad {
		fmt.Fprintf(os.Stderr, "qemu: load of migration failed: %d bytes, %v\n", len(got), err)
		os.Exit(1)
	}
	if !strings.Contains(strings.Join(f.args, " "), "memory-backend-ram") {
		ram := make([]byte, len(fakeRAM))
		file, err := os.Open(f.ram())
		if err == nil {
			_, err = file.ReadAt(ram, fakeRAMAt)
		}
		if err != nil || string(ram) != fakeRAM {
			fmt.Fprintf(os.Stderr, "qemu: RAM has %q, %v\n", ram, err)
			os.Exit(1)
		}
	}
	f.moved("completed")
}
