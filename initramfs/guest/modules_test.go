package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/guestproto"
)

// The files are loaded in the order of their names, each failure is named, and
// nothing of them stays in the guest's memory.
func TestLoadModules(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "modules")
	if errs := loadModules(dir); errs != nil {
		t.Errorf("without modules: %q", errs)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"001-b.ko", "000-a.ko"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("no module"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	errs := loadModules(dir)
	if len(errs) != 2 || !strings.HasPrefix(errs[0], "load module 000-a.ko: ") || !strings.HasPrefix(errs[1], "load module 001-b.ko: ") {
		t.Errorf("errors %q", errs)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the files are left: %v", err)
	}
}

func TestExplainLoad(t *testing.T) {
	for err, want := range map[error]bool{unix.ENOEXEC: true, unix.EINVAL: true, unix.ENOENT: true, unix.EKEYREJECTED: true, unix.ENOKEY: true, unix.EPERM: false, unix.ENOMEM: false} {
		if got := strings.Contains(explainLoad(err).Error(), "give the modules of this kernel"); got != want {
			t.Errorf("%v: %v", err, explainLoad(err))
		}
	}
}

// The port of a guest without its driver does not come, and is not waited for longer
// than the limit.
func TestNoPort(t *testing.T) {
	_, err := openPort(filepath.Join(t.TempDir(), "none"), time.Millisecond)
	if !errors.Is(err, errNoPort) || !strings.HasPrefix(err.Error(), guestproto.NoPort) || strings.HasPrefix(err.Error(), guestproto.NoDriver) || err.Error() == guestproto.NoPort {
		t.Errorf("a late port: error %v", err)
	}
	if _, err := openPort(t.TempDir(), time.Millisecond); err == nil || errors.Is(err, errNoPort) {
		t.Errorf("a directory: error %v", err)
	}
}

// checkDrivers names the driver that a kernel lacks.
func TestCheckDrivers(t *testing.T) {
	root := t.TempDir()
	if err := checkDrivers(root); err != nil {
		t.Errorf("without sysfs: %v", err)
	}
	for _, d := range portDrivers {
		if err := os.MkdirAll(filepath.Join(root, d.bus), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := checkDrivers(root); !errors.Is(err, errNoPort) || err.Error() != guestproto.NoDriver+d.module {
			t.Errorf("without %s: %v", d.module, err)
		}
		if err := os.MkdirAll(filepath.Join(root, d.bus, d.driver), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkDrivers(root); err != nil {
		t.Error(err)
	}
}
