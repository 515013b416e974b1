package vm

import (
	"bufio"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/internal/arch"
)

// The tests of this file boot real machines that have more than the plain one,
// and fork them.

// bootAndFork calls f with a machine that booted and with a fork of it.
func bootAndFork(t *testing.T, c Config, f func(*testing.T, *Machine)) {
	t.Run("boot", func(t *testing.T) {
		m := start(t, c)
		f(t, m)
	})
	t.Run("fork", func(t *testing.T) {
		m := fork(t, makeTemplateFor(t, c, ""), c)
		f(t, m)
	})
}

func TestSerial(t *testing.T) {
	eachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		c.Serial = true
		bootAndFork(t, c, func(t *testing.T, m *Machine) {
			client := connect(t, m)
			command(t, client, "parrot")
			port := m.Serial()
			port.SetDeadline(time.Now().Add(time.Minute))
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

func TestNoSerial(t *testing.T) {
	ours, theirs := net.Pipe()
	m := &Machine{}
	if m.keepSerial(ours); m.Serial() != nil {
		t.Error("a machine without a serial port has one")
	}
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the end that nobody uses is open: %v", err)
	}
}

// TestFirmware: through UEFI every architecture has ACPI tables.
func TestFirmware(t *testing.T) {
	eachArch(t, func(t *testing.T, a *arch.Arch) {
		c := guestConfig(t, a, "serve")
		if c.Firmware = a.FindFirmware(); c.Firmware != "" {
			if _, err := os.Stat(c.Firmware); err != nil {
				unable(t, "qemu", "%v", err)
			}
		}
		bootAndFork(t, c, func(t *testing.T, m *Machine) {
			client := connect(t, m)
			out, err := command(t, client, "hello").Output("tables")
			if err != nil || !strings.Contains(string(out), "DSDT\n") {
				t.Errorf("ACPI tables: %q, %v", out, err)
			}
			t.Logf("%+v", m.Phases())
			if end := m.PowerOff(t.Context()); end.Cause != PoweredOff {
				t.Errorf("end: %v", end)
			}
		})
	})
}
