// Package acpi loads ACPI tables through configfs, and checks those of the
// boot.
package acpi

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	TablesDir   = "/sys/firmware/acpi/tables"
	ConfigfsDir = "/sys/kernel/config/acpi/table"
)

const NoTables = "the kernel found no ACPI tables"

// WithItem creates a configfs item for a table, runs the act in it, and removes
// it, which unloads the table.
func WithItem(act func(dir string) observe.Report) (r observe.Report) {
	if !observe.Exists(TablesDir) { // without ACPI the kernel cannot unload tables
		return observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(observe.OpenCall(TablesDir, unix.O_RDONLY), unix.ENOENT), Why: NoTables}
	}
	dir := filepath.Join(ConfigfsDir, "ldlab")
	r = observe.UnavailableIf(observe.FromError(fmt.Sprintf("mkdir(%q)", dir), unix.Mkdir(dir, 0o755)), "CONFIG_ACPI_CONFIGFS", unix.ENOENT)
	if r.Outcome != observe.Allowed {
		return r
	}
	defer func() {
		if err := unix.Rmdir(dir); err != nil {
			r = observe.SetupFailed(fmt.Sprintf("rmdir(%q)", dir), err)
		}
	}()
	if act != nil {
		r = act(dir)
	}
	return r
}

// dynamicDir has the tables that were loaded after the boot. A table stays there
// when it is unloaded.
const dynamicDir = TablesDir + "/dynamic"

// LoadConfigfs loads a table through configfs, looks whether the kernel has it,
// and unloads it.
func LoadConfigfs() observe.Report { return loadConfigfs(0) }

// LoadMore loads tables of other sizes.
func LoadMore() (list []observe.Variant) {
	for _, more := range []int{4 << 10, 100 << 10} {
		list = append(list, loadConfigfs(more).Vary(fmt.Sprintf("%d bytes more", more)))
	}
	return list
}

// loadConfigfs loads a table that is larger than the smallest.
func loadConfigfs(more int) observe.Report {
	table := configfsTable(more)
	before, err := os.ReadDir(dynamicDir)
	if err != nil && !os.IsNotExist(err) {
		return observe.SetupFailed(fmt.Sprintf("readdir(%q)", dynamicDir), err)
	}
	r := WithItem(func(dir string) observe.Report { return loadTable(dir, table) })
	if r.Outcome == observe.Unavailable {
		return r
	}
	name := newTable(before, len(table))
	return r.Saw(name != "", fmt.Sprintf("readdir(%q): a new table %q", dynamicDir, name))
}

// newTable is the file of a table of that size that was not there before; empty:
// there is none. A kernel that refuses a table which it has loaded may have freed
// the memory behind the file, so the content does not count.
func newTable(before []os.DirEntry, size int) string {
	after, _ := os.ReadDir(dynamicDir)
	for _, f := range after {
		if slices.ContainsFunc(before, func(b os.DirEntry) bool { return b.Name() == f.Name() }) {
			continue
		}
		if info, err := f.Info(); err == nil && info.Size() == int64(size) {
			return f.Name()
		}
	}
	return ""
}

// loadTable writes a table. configfs collects the data and passes it on when
// the file is closed, but close(2) does not return the result
// (fs/configfs/file.c:configfs_release_bin_file, v6.12). The table is therefore
// read back: EINVAL means that none was loaded.
func loadTable(dir string, table []byte) observe.Report {
	path := filepath.Join(dir, "aml")
	r := observe.WithFile(path, unix.O_WRONLY, func(fd int) observe.Report {
		_, err := unix.Write(fd, table)
		return observe.FromError(fmt.Sprintf("write(%q, %d)", path, len(table)), err)
	})
	if r.Outcome != observe.Allowed {
		return r
	}
	b := make([]byte, 2*len(table))
	read := observe.WithFile(path, unix.O_RDONLY, func(fd int) observe.Report {
		n, err := unix.Read(fd, b)
		b = b[:max(n, 0)]
		return observe.FromError(fmt.Sprintf("read(%q)", path), err)
	})
	read.Call = r.Call + ", " + read.Call
	switch {
	case read.Errno == "EINVAL":
		read.Outcome, read.Why = observe.Denied, ""
	case read.Outcome == observe.Allowed && !bytes.Equal(b, table):
		read.Outcome, read.Why = observe.Failed, "the table read back differs"
	}
	return read
}
