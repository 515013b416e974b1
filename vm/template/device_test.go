package template

import (
	"bufio"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/internal/vmtest"
)

// The tests of this file boot machines with more devices than the plain one, and
// fork them.

// bootAndFork calls f with a machine that booted and with a fork of it.
func bootAndFork(t *testing.T, c vm.Config, f func(*testing.T, *vm.Machine)) {
	t.Run("boot", func(t *testing.T) {
		m, err := vm.Start(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { checkClose(t, m, c.Dir) })
		f(t, m)
	})
	t.Run("fork", func(t *testing.T) {
		m := fork(t, makeTemplateFor(t, c, ""), c)
		f(t, m)
	})
}

func TestSerial(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		c.Devices = []vm.Device{vm.SerialPort{}}
		bootAndFork(t, c, func(t *testing.T, m *vm.Machine) {
			client := connect(t, m)
			command(t, client, "parrot")
			port := m.Serial()
			port.SetDeadline(time.Now().Add(pace.Host().Limit(vmtest.Scaled(a, 20*time.Second))))
			in := bufio.NewReader(port)
			for _, want := range []string{"listening\n", "hello\n"} {
				if got, err := in.ReadString('\n'); got != want {
					t.Fatalf("heard %q, %v, want %q", got, err, want)
				}
				io.WriteString(port, "hello\n")
			}
			m.Close(t.Context())
			if _, err := port.Read(make([]byte, 1)); err == nil {
				t.Error("the port is open after Close")
			}
		})
	})
}

// TestFirmware: through UEFI every architecture has ACPI tables.
func TestFirmware(t *testing.T) {
	vmtest.EachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		if path := a.FindFirmware(); path != "" {
			if _, err := os.Stat(path); err != nil {
				testutil.Require(t, "qemu", err)
			}
			c.Devices = []vm.Device{vm.Firmware{Path: path}}
		}
		bootAndFork(t, c, func(t *testing.T, m *vm.Machine) {
			client := connect(t, m)
			if out := ask(t, client, "tables"); !strings.Contains(out, "DSDT") {
				t.Errorf("ACPI tables: %q", out)
			}
			t.Logf("%+v", m.Phases())
			if end := m.PowerOff(t.Context()); end.Cause != vm.PoweredOff {
				t.Errorf("end: %v", end)
			}
		})
	})
}
