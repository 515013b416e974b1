package template

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// otherQEMUEnv lists directories, like PATH, with QEMUs of other versions:
// programs named qemu-system-x86_64 and qemu-system-aarch64, which may be
// scripts that run an unpacked package with its own libraries.
const otherQEMUEnv = "LDLAB_TEST_QEMU_DIR"

// TestOtherQEMU boots a guest, forks it and finds it in the cache with each
// other QEMU that is given.
func TestOtherQEMU(t *testing.T) {
	dirs := filepath.SplitList(os.Getenv(otherQEMUEnv))
	if len(dirs) == 0 {
		t.Skipf("%s is not set", otherQEMUEnv) // LDLAB_REQUIRE has no word for it: one QEMU is enough
	}
	cache := t.TempDir()
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		keys := map[string]string{}
		for _, dir := range append([]string{filepath.Dir(c.QEMU)}, dirs...) {
			c.QEMU = filepath.Join(dir, a.QEMU)
			if _, err := os.Stat(c.QEMU); errors.Is(err, os.ErrNotExist) {
				testutil.Require(t, "qemu", err)
			}
			version, err := vm.QEMUVersion(t.Context(), c.QEMU)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := Check(t.Context(), c, ""); err != nil {
				t.Error(err)
			}
			took := time.Since(began)
			made, booted := cached(t, c, cache)
			if other := keys[made.key]; other != "" || !booted {
				t.Errorf("%s: booted %v; its template is that of %s", version, booted, other)
			}
			keys[made.key] = version
			if tpl, booted := cached(t, c, cache); booted {
				t.Errorf("%s: the template is not in the cache", version)
			} else {
				worksOnce(t, tpl, c)
			}
			m := fork(t, made, c)
			connect(t, m)
			t.Logf("%s: check %v, boot %v, fork %v", version, took, made.Phases.Ready, m.Phases().Ready)
			if end := m.PowerOff(t.Context()); end.Cause != vm.PoweredOff {
				t.Errorf("%s: end %v", version, end)
			}
		}
	})
}
