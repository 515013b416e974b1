package engine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

// TestAvailableMemory: the tightest limit of all control groups of this process
// holds.
func TestAvailableMemory(t *testing.T) {
	const gib = 1 << 30
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	meminfo := file("MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n")
	for _, tc := range []struct {
		name string
		fs   fstest.MapFS
		want int64
	}{
		{"no control group", fstest.MapFS{"proc/meminfo": meminfo}, 8 * gib},
		{"no limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/b/memory.current": file("1\n")}, 8 * gib},
		{"its own limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("2147483648\n"), "sys/fs/cgroup/a/b/memory.current": file("1073741824\n")}, gib},
		{"an ancestor's limit", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a.slice/b.slice/c.scope\n"),
			"sys/fs/cgroup/a.slice/memory.max": file("3221225472\n"), "sys/fs/cgroup/a.slice/memory.current": file("1073741824\n"),
			"sys/fs/cgroup/a.slice/b.slice/c.scope/memory.max": file("4294967296\n"), "sys/fs/cgroup/a.slice/b.slice/c.scope/memory.current": file("0\n")}, 2 * gib},
		{"both versions of control groups", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("5:memory:/x\n0::/a\n"), "sys/fs/cgroup/a/memory.max": file("1073741824\n"), "sys/fs/cgroup/a/memory.current": file("0\n")}, gib},
		{"nothing left", fstest.MapFS{"proc/meminfo": meminfo, "proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("1\n"), "sys/fs/cgroup/a/memory.current": file("5\n")}, 1},
		{"unknown", fstest.MapFS{}, 0},
	} {
		if got := memoryOf(tc.fs); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// TestGuestCost counts the preforked children of a template.
func TestGuestCost(t *testing.T) {
	s := newStage(mustPlan(t, plan.Selection{Arches: []string{"x86_64"}}), Options{})
	defer s.Close()
	ram := int64(s.ForkMemoryMiB()) << 20
	if got := s.guestCost(); got <= ram || got > 2*ram {
		t.Errorf("a guest costs %d bytes, its RAM alone is %d", got, ram)
	}
}

// TestMemoryOfGuests: what a larger kernel takes is added to a guest's memory, and
// what the host does not have is said before anything boots.
func TestMemoryOfGuests(t *testing.T) {
	a := arch.Get("arm64")
	file := filepath.Join(t.TempDir(), "Image")
	k := &kernel{build: plan.Build{Kernel: kernels.Kernel{Name: "image"}, Arch: a}, built: kernels.Built{Image: file}, initrd: file}
	for size, want := range map[uint64]int{16 << 20: baseMiB, 100 << 20: baseMiB + 100 - ownMiB, 1 << 62: 1<<20 + baseMiB - ownMiB} {
		head := make([]byte, 64)
		binary.LittleEndian.PutUint64(head[16:], size)
		copy(head[56:], "ARM\x64")
		if err := os.WriteFile(file, head, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := k.memoryMiB(); got != want {
			t.Errorf("an Image of %d bytes: %d MiB, want %d", size, got, want)
		}
	}
	if availableMemory() == 0 {
		t.Skip("how much memory this host has is not known")
	}
	if err := k.checkMemory(); err == nil || !strings.Contains(err.Error(), "kernel image: with its root file system it needs a guest with 1048768 MiB of memory, and this host has ") {
		t.Errorf("1 TiB: %v", err)
	}
}
