package callsites

import (
	"debug/elf"
	"fmt"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil/elftest"
	"github.com/ldlab/ldlab/lockdown"
)

// find runs Vmlinux on files of a test.
func find(t *testing.T, linked, object elftest.File, systemMap string) ([]lockdown.Site, error) {
	t.Helper()
	k, err := ParseSystemMap([]byte(systemMap))
	if err != nil {
		t.Fatal(err)
	}
	return Vmlinux(write(t, "vmlinux", linked), write(t, "vmlinux.o", object), k)
}

// text is a site in one line.
func text(s lockdown.Site) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %d %s %v", s.Name, s.Where(), s.Line, s.Reason, s.Tail))
}

func TestVmlinux(t *testing.T) {
	for name, c := range codes {
		t.Run(name, func(t *testing.T) {
			linked, object, systemMap := c.kernel(
				function{"one", "call"}, function{"idle", ""}, function{"same", "call"}, function{"decoy", "decoy"}, function{"same", "call"}, function{"last", "jump"})
			got, err := find(t, linked, object, systemMap)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				fmt.Sprintf("last+%#x/0x20 6.c:6.c 60 kexec true", c.slot),
				fmt.Sprintf("one+%#x/0x20 1.c:1.c 10 kexec false", c.slot),
				fmt.Sprintf("same,1+%#x/0x20 3.c:3.c 30 kexec false", c.slot),
				fmt.Sprintf("same,2+%#x/0x20 5.c:5.c 50 kexec false", c.slot),
			}
			if len(got) != len(want) {
				t.Fatalf("found %+v", got)
			}
			for i, w := range want {
				if text(got[i]) != w {
					t.Errorf("site %d is %s; want %s", i, text(got[i]), w)
				}
			}

			// Without the section, sites have no source.
			linked.Sections = linked.Sections[:2]
			if got, err = find(t, linked, object, systemMap); err != nil || len(got) != len(want) || got[1].File != "" || got[1].Reason != "" {
				t.Errorf("without records: %+v, %v", got, err)
			}
		})
	}
}

// The record of a call may be missing: the next one's is not taken for it.
func TestVmlinuxLostRecord(t *testing.T) {
	linked, object, systemMap := codes["x86_64"].kernel(function{"one", "call"}, function{"two", "call"})
	linked.Sections[2].Data = linked.Sections[2].Data[recordSize:]
	got, err := find(t, linked, object, systemMap)
	if err != nil || len(got) != 2 || got[0].File != "" || got[1].File != "2.c" {
		t.Errorf("found %+v, %v", got, err)
	}
}

func TestVmlinuxFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(linked, object *elftest.File)
		want  string
	}{
		{"a call is lost", func(linked, _ *elftest.File) { copy(linked.Sections[0].Data[functionSize:], "\x90\x90\x90\x90\x90") }, "one calls security_locked_down, and does not any more"},
		{"no callee", func(linked, _ *elftest.File) { linked.Symbols = linked.Symbols[1:] }, "no security_locked_down"},
		{"not a call", func(_, object *elftest.File) { object.Sections[0].Data[functionSize] = 0x90 }, ".text+0x21 refers to security_locked_down"},
		{"in no function", func(_, object *elftest.File) { object.Symbols = object.Symbols[:1] }, "is in no function"},
		{"another machine", func(linked, _ *elftest.File) { linked.Machine = elf.EM_RISCV }, "no machine of the lab"},
		{"half a record", func(linked, _ *elftest.File) { linked.Sections[2].Data = linked.Sections[2].Data[1:] }, ".ldlab_sites of 39 bytes"},
		{"a wild string", func(linked, _ *elftest.File) { linked.Sections[2].Data[8] = 0xff }, "no string at"},
		{"a string without end", func(linked, _ *elftest.File) { linked.Sections[1].Data = linked.Sections[1].Data[:3] }, "no "},
	} {
		linked, object, systemMap := codes["x86_64"].kernel(function{"one", "call"})
		c.spoil(&linked, &object)
		_, err := find(t, linked, object, systemMap)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}

// A kernel without security modules has no calls.
func TestVmlinuxWithout(t *testing.T) {
	linked, object, systemMap := codes["arm64"].kernel(function{"one", ""})
	linked.Symbols, object.Symbols = linked.Symbols[1:], object.Symbols[1:]
	if got, err := find(t, linked, object, systemMap); err != nil || got != nil {
		t.Errorf("found %+v, %v", got, err)
	}
}
