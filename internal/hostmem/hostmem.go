// Package hostmem tells how much memory this host has left.
package hostmem

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Available is the memory for guests in bytes: the kernel's MemAvailable,
// or what is left in this process's control groups if that is less. 0 means
// unknown.
func Available() int64 { return memoryOf(os.DirFS("/")) }

func memoryOf(root fs.FS) int64 {
	free := memAvailable(root)
	if left, ok := cgroupLeft(root); ok && (free == 0 || left < free) {
		free = left
	}
	return free
}

func memAvailable(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
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

// cgroupLeft is the minimum of memory.max minus memory.current, in bytes, over
// the process's control group (version 2) and its ancestors. ok is false if
// none has a limit.
func cgroupLeft(root fs.FS) (left int64, ok bool) {
	b, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	group, found := "", false
	for line := range strings.Lines(string(b)) {
		if g, unified := strings.CutPrefix(strings.TrimSpace(line), "0::/"); unified {
			group, found = g, true
		}
	}
	if !found {
		return 0, false
	}
	for dir := path.Clean(group); ; dir = path.Dir(dir) {
		if here, limited := groupLeft(root, dir); limited && (!ok || here < left) {
			left, ok = here, true
		}
		if dir == "." || dir == "/" {
			return left, ok
		}
	}
}

// groupLeft is the memory left in one control group; at least 1.
func groupLeft(root fs.FS, group string) (left int64, limited bool) {
	read := func(name string) (int64, error) {
		b, err := fs.ReadFile(root, path.Join("sys/fs/cgroup", group, name))
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	}
	limit, err := read("memory.max") // "max" means no limit, and does not parse
	if err != nil {
		return 0, false
	}
	used, err := read("memory.current")
	if err != nil {
		return 0, false
	}
	return max(1, limit-used), true
}
