package main

import (
	"strings"
	"testing"
	"time"
)

const smaps = `7f0000000000-7f0010000000 rw-p 00000000 00:01 1 /memfd:ldlab-ram (deleted)
Size:             262144 kB
Shared_Clean:          4 kB
Private_Clean:         8 kB
Private_Dirty:       100 kB
Anonymous:            60 kB
VmFlags: rd wr
7f0010000000-7f0020000000 rw-p 00000000 00:00 0
Private_Clean:         0 kB
Private_Dirty:        20 kB
Anonymous:            20 kB
AnonHugePages:      2048 kB
7f0020000000-7f0020100000 r-xp 00000000 fe:00 7 /usr/bin/qemu-system-x86_64
Private_Clean:       300 kB
Anonymous:             0 kB
`

// TestOwn: pages of the template that only this process happens to have mapped
// are not its own.
func TestOwn(t *testing.T) {
	if got, want := own(strings.NewReader(smaps)), (weight{ram: 60 << 10, all: 80 << 10}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWeigh(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	life := []weight{{at(10), 1, 4}, {at(20), 3, 9}, {at(30), 5, 8}, {at(40), 2, 2}}
	w := weigh(life, at(25))
	if w.first.ram != 3 || w.first.all != 9 || w.most.ram != 5 || w.most.all != 9 {
		t.Errorf("%+v", w)
	}
}

// TestForkNotWeighed: the further numbers of a weighing that failed are none.
func TestForkNotWeighed(t *testing.T) {
	var w weighing
	take, err := weighedBefore(&w, func(w *weighing) int64 { return w.first.all })(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := take(t.Context()); err == nil {
		t.Error("a fork that nobody weighed has memory")
	}
	w = weighing{first: weight{all: 3 << 20}, most: weight{all: 4 << 20}}
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
