package main

import (
	"strings"
	"testing"
)

const smaps = `7f0000000000-7f0010000000 rw-p 00000000 00:01 1 /memfd:ldlab-ram (deleted)
Size:             262144 kB
Shared_Clean:          4 kB
Private_Clean:         8 kB
Private_Dirty:       100 kB
VmFlags: rd wr
7f0010000000-7f0020000000 rw-p 00000000 00:00 0
Private_Clean:         0 kB
Private_Dirty:        20 kB
Private_Hugetlb:    1000 kB
`

func TestPrivate(t *testing.T) {
	if got, want := private(strings.NewReader(smaps)), (weight{ram: 108 << 10, all: 128 << 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w := weight{ram: 5, all: 10}
	w.grow(weight{ram: 7, all: 9})
	if (w != weight{ram: 7, all: 10}) {
		t.Errorf("heaviest: %+v", w)
	}
}

// TestForkNotWeighed: the second number of a weighing that failed is none.
func TestForkNotWeighed(t *testing.T) {
	var w weight
	take, err := forkMemory(&w)(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(t.Context()); err == nil {
		t.Error("a fork that nobody weighed has memory")
	}
	w.all = 3 << 20
	if v, err := take(t.Context()); err != nil || v != 3 {
		t.Errorf("%v MiB, %v", v, err)
	}
}

func TestIsFork(t *testing.T) {
	for line, want := range map[string]bool{
		"/usr/bin/qemu-system-x86_64 -m 256 -incoming defer": true,
		"/usr/bin/qemu-system-x86_64 -m 256":                 false,
		"cat -incoming":                                      false,
		"":                                                   false,
	} {
		if got := isFork(strings.Split(line, " ")); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestRAMOf(t *testing.T) {
	if got, err := ramOf([]string{"qemu", "-m", "256", "-smp", "1"}); err != nil || got != 256 {
		t.Errorf("%v, %v", got, err)
	}
	for _, argv := range [][]string{{"qemu"}, {"qemu", "-m"}, {"qemu", "-m", "max"}} {
		if _, err := ramOf(argv); err == nil {
			t.Errorf("%v has memory", argv)
		}
	}
}
