package lab

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// guestCost is what one guest takes of the host's memory, in bytes: its RAM of
// 256 MiB, and QEMU with its translation cache.
const guestCost = 512 << 20

// availableMemory is what guests may take, in bytes: what the kernel calls
// available, or what is left to this process's control group if that is less.
// 0 means unknown.
func availableMemory() int64 {
	free := memAvailable()
	if left, ok := cgroupLeft(); ok && (free == 0 || left < free) {
		free = left
	}
	return free
}

func memAvailable() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int64
		if _, err := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// cgroupLeft is memory.max less memory.current of the process's control group
// (version 2); ok is false where there is no limit.
func cgroupLeft() (left int64, ok bool) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	_, path, found := strings.Cut(strings.TrimSpace(string(b)), "0::")
	if !found {
		return 0, false
	}
	read := func(name string) (int64, error) {
		b, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, name))
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	}
	limit, err := read("memory.max") // "max", where there is none, does not parse
	if err != nil {
		return 0, false
	}
	used, err := read("memory.current")
	if err != nil {
		return 0, false
	}
	return max(1, limit-used), true
}
