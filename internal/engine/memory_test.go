package engine

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/hostmem"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
)

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
// the lab names what the host lacks before anything boots.
func TestMemoryOfGuests(t *testing.T) {
	a := arch.Get("arm64")
	file := filepath.Join(t.TempDir(), "Image")
	k := &kernel{build: plan.Build{Kernel: kernels.Kernel{Name: "image"}, Arch: a}, built: kernels.Built{Image: file}, initrd: file}
	for _, tc := range []struct { // the last one stays in the file
		size uint64
		want int
	}{{16 << 20, baseMiB}, {100 << 20, baseMiB + 100 - ownMiB}, {1 << 62, 1<<20 + baseMiB - ownMiB}} {
		size, want := tc.size, tc.want
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
	if hostmem.Available() == 0 {
		t.Skip("how much memory this host has is not known")
	}
	if err := k.checkMemory(); err == nil || !strings.Contains(err.Error(), "kernel image: with its root file system it needs a guest with 1048768 MiB of memory, and this host has ") {
		t.Errorf("1 TiB: %v", err)
	}
}
