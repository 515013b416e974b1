package hostmem

import (
	"testing"
	"testing/fstest"
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
