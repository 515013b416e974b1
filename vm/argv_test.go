package vm

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/pace"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestArgv(t *testing.T) {
	for _, a := range arch.All() {
		t.Run(a.Name, func(t *testing.T) {
			c := Config{Arch: a, Kernel: "/k/vmlinux, odd", Initrd: "/i", Append: []string{"lockdown=integrity"}}
			argv, err := c.Argv()
			if err != nil {
				t.Fatal(err)
			}
			again, _ := c.Argv()
			if !slices.Equal(argv, again) {
				t.Errorf("two calls differ:\n%q\n%q", argv, again)
			}
			got := strings.Join(argv, "\n") + "\n"
			more := c
			more.Devices = []Device{SerialPort{}, Firmware{"/f"}}
			argv, err = more.Argv()
			if err != nil {
				t.Fatal(err)
			}
			got += "\nwith a serial port and firmware:\n" + strings.Join(argv, "\n") + "\n"
			c, _ = c.withDefaults()
			got += "\nby hand:\n" + shellescape.QuoteCommand(c.byHand()) + "\n"
			golden := filepath.Join("testdata", "argv-"+a.Name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("argv differs from %s (go test -update rewrites it):\n%s", golden, got)
			}
		})
	}
}

// TestArgvReachesNothing: the guest has no network and no disk, and nobody else
// has the guest.
func TestArgvReachesNothing(t *testing.T) {
	for _, a := range arch.All() {
		for _, accel := range []Accel{TCG, KVM} {
			argv, err := Config{Arch: a, Kernel: "k", Initrd: "i", Accel: accel}.Argv()
			if accel == KVM && !a.Native() {
				if err == nil {
					t.Errorf("%s under KVM on another host: no error", a.Name)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"-netdev", "-nic", "-net", "-drive", "-blockdev", "-hda", "-vnc", "-monitor"} {
				if slices.Contains(argv, bad) {
					t.Errorf("%s: has %s", a.Name, bad)
				}
			}
			if all := strings.Join(argv, " "); strings.Contains(all, "tcp:") || strings.Contains(all, "path=") {
				t.Errorf("%s: reachable from outside: %s", a.Name, all)
			}
			if !slices.Contains(argv, string(accel)) {
				t.Errorf("%s: no %s in %q", a.Name, accel, argv)
			}
		}
	}
}

func TestConfigErrors(t *testing.T) {
	a := arch.All()[0]
	for _, tt := range []struct {
		name string
		c    Config
		want string
	}{
		{"empty", Config{}, "no architecture"},
		{"no kernel", Config{Arch: a}, "no kernel"},
		{"no initrd", Config{Arch: a, Kernel: "k"}, "no initrd"},
		{"memory", Config{Arch: a, Kernel: "k", Initrd: "i", MemoryMiB: -1}, "-1 MiB"},
		{"accel", Config{Arch: a, Kernel: "k", Initrd: "i", Accel: "xen"}, `"xen"`},
	} {
		if _, err := tt.c.Argv(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestTimeouts: one factor is in all of them, and none is forgotten.
func TestTimeouts(t *testing.T) {
	for _, a := range arch.All() {
		c := Config{Arch: a, Kernel: "k", Initrd: "i", Pace: pace.New(3)}
		c, err := c.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		got, guest, host := c.timeouts(), newTimeouts(a.Scale, 0), newTimeouts(0, 1)
		for i := range reflect.ValueOf(got).NumField() {
			field := func(x timeouts) int64 { return reflect.ValueOf(x).Field(i).Int() }
			if want := 3 * (field(guest) + field(host)); field(got) != want || want == 0 {
				t.Errorf("%s: %s is %v, want %v", a.Name, reflect.TypeOf(got).Field(i).Name, time.Duration(field(got)), time.Duration(want))
			}
		}
		c = Config{Arch: a, Scale: 0.5}
		if got := c.timeouts().boot; got != bootTimeout/2 {
			t.Errorf("%s: boot timeout %v, want %v", a.Name, got, bootTimeout/2)
		}
		c.BootTimeout = time.Hour
		if got := c.timeouts().boot; got != time.Hour {
			t.Errorf("%s: boot timeout %v, want that of the Config", a.Name, got)
		}
	}
}

// TestQuote has a real shell take the line apart.
func TestQuote(t *testing.T) {
	for _, word := range []string{
		"plain", "", "two words", "a'b", `"`, "$HOME", "`id`", "a\nb", "~", "*", `back\slash`, "-append", "console=ttyS0 panic=-1", "é", "a;b", "#x",
	} {
		argv := []string{"printf", "%s|", word, "end"}
		out, err := exec.Command("sh", "-c", shellescape.QuoteCommand(argv)).Output()
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		if want := word + "|end|"; string(out) != want {
			t.Errorf("%q became %q", want, out)
		}
	}
}
