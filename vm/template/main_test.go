package template

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
	"golang.org/x/crypto/ssh"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(fakeEnv); kind != "" {
		os.Exit(playQEMU(kind))
	}
	os.Exit(vmtest.Main(m))
}

// guestConfig is a machine with the test guest, which does as mode says.
func guestConfig(t testing.TB, a *arch.Arch, mode string) vm.Config {
	t.Helper()
	g := vmtest.Needs(t, a)
	return vm.Config{
		Arch: a, Kernel: g.Kernel, Initrd: g.Initrd, QEMU: g.QEMU, Dir: filepath.Join(t.TempDir(), "machines"),
		Append: []string{"ldlab.test=" + mode},
	}
}

// checkClose closes a machine and looks for what it left behind.
func checkClose(t *testing.T, m *vm.Machine, dir string) {
	t.Helper()
	if t.Failed() {
		t.Logf("%s\n%s", m.CommandLine(), strings.Join(m.ConsoleTail(20), "\n"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), pace.Host().Limit(10*time.Second))
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := m.Close(ctx); err != nil {
		t.Error("second close:", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if vmtest.GroupAlive(t, m.Pid()) {
		t.Error("QEMU still runs")
	}
}

func connect(t *testing.T, m *vm.Machine) *ssh.Client {
	t.Helper()
	client, err := m.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// command starts a command in the guest and gives it up when the test ends.
func command(t *testing.T, client *ssh.Client, name string) {
	t.Helper()
	s, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Start(name); err != nil {
		t.Fatal(err)
	}
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
