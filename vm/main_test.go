package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m))
}

// guestConfig is a machine with the test guest, which does as mode says.
func guestConfig(t testing.TB, a *arch.Arch, mode string) Config {
	t.Helper()
	g := vmtest.Needs(t, a)
	return Config{
		Arch: a, Kernel: g.Kernel, Initrd: g.Initrd, QEMU: g.QEMU, Dir: filepath.Join(t.TempDir(), "machines"),
		Append: []string{"ldlab.test=" + mode},
	}
}
