package vm

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
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
			more.Serial, more.Firmware = true, "/f"
			argv, err = more.Argv()
			if err != nil {
				t.Fatal(err)
			}
			got += "\nwith a serial port and firmware:\n" + strings.Join(argv, "\n") + "\n"
			c, _ = c.withDefaults()
			got += "\nby hand:\n" + shellQuote(c.byHand()) + "\n"
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

func TestScale(t *testing.T) {
	for _, a := range arch.All() {
		c, err := Config{Arch: a, Kernel: "k", Initrd: "i"}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if want := scaled(bootTimeout, a.Scale); c.BootTimeout != want {
			t.Errorf("%s: boot timeout %v, want %v", a.Name, c.BootTimeout, want)
		}
		c, err = Config{Arch: a, Kernel: "k", Initrd: "i", Scale: 0.5}.withDefaults()
		if err != nil || c.BootTimeout != bootTimeout/2 {
			t.Errorf("%s: boot timeout %v, want %v (%v)", a.Name, c.BootTimeout, bootTimeout/2, err)
		}
	}
}

// TestQuote has a real shell take the line apart.
func TestQuote(t *testing.T) {
	for _, word := range []string{
		"plain", "", "two words", "a'b", `"`, "$HOME", "`id`", "a\nb", "~", "*", `back\slash`, "-append", "console=ttyS0 panic=-1", "é", "a;b", "#x",
	} {
		argv := []string{"printf", "%s|", word, "end"}
		out, err := exec.Command("sh", "-c", shellQuote(argv)).Output()
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		if want := word + "|end|"; string(out) != want {
			t.Errorf("%q became %q", want, out)
		}
	}
}
