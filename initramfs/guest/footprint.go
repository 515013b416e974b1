package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

// A footprint is what probes may touch of a guest, as lines. What a probe leaves
// in another state than before is reported as that probe's.
//
// Its files stay open, because a read then takes one call. Lockdown refuses to
// open none of them: a look must not be counted or logged as a denial.
type footprint struct {
	files []footFile
	nodes []string // files whose mode and owner count
	dirs  []string // directories whose entries count
}

// A footFile is a file whose content counts.
type footFile struct {
	path  string
	fd    int
	at    int64
	size  int                              // bytes to read; 0: all of a text
	lines func(path, text string) []string // nil: the text as one line
}

// footTexts are the files of a footprint that hold text.
var footTexts = []struct {
	path  string
	lines func(path, text string) []string
}{
	{lockdown.LevelFile, nil},
	{lockdown.ReasonsFile, nil},
	{"/proc/modules", firstWords},
	{"/proc/self/mounts", mountLines},
	{"/proc/tty/driver/serial", serialLines},
	{"/proc/sys/kernel/printk", nil},
	{"/proc/sys/kernel/sysrq", nil},
	{"/sys/kernel/kexec_loaded", nil},
	{"/sys/kernel/kexec_crash_loaded", nil},
	{"/sys/kernel/kexec_crash_size", nil},
	{"/sys/power/disk", nil},
	{"/sys/power/resume", nil},
	{"/sys/power/image_size", nil},
	{"/sys/module/8250/parameters/share_irqs", nil},
	{"/sys/kernel/debug/kprobes/list", kprobeLines}, // mode 0400: lockdown lets it open
}

// openFootprint opens what this kernel has of the files.
func openFootprint() *footprint {
	f := &footprint{dirs: []string{"/sys/kernel/tracing/instances", "/sys/kernel/config/acpi/table"}}
	add := func(file footFile) {
		if fd, err := unix.Open(file.path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			file.fd = fd
			f.files = append(f.files, file)
		}
	}
	for _, t := range footTexts {
		add(footFile{path: t.path, lines: t.lines})
	}
	const pat = 0x277 // IA32_PAT: reading it is not refused (arch/x86/kernel/msr.c:msr_read, v6.12)
	add(footFile{path: "/dev/cpu/0/msr", at: pat, size: 8})
	for _, dir := range entries("/sys/bus/pci/devices") {
		if path := "/sys/bus/pci/devices/" + dir + "/config"; isTestDevice(path) {
			add(footFile{path: path, size: 64, lines: configLines})
		}
	}
	const lab = "/sys/kernel/debug/ldlab"
	for _, name := range entries(lab) {
		f.nodes = append(f.nodes, lab+"/"+name)
	}
	return f
}

// isTestDevice reports whether a configuration space is that of QEMU's
// pci-testdev, which no driver uses.
func isTestDevice(config string) bool {
	fd, err := unix.Open(config, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var id [4]byte
	n, _ := unix.Pread(fd, id[:], 0)
	return n == len(id) && id == [4]byte{0x36, 0x1b, 0x05, 0x00}
}

// read returns the footprint's lines, sorted.
func (f *footprint) read() []string {
	var all []string
	buf := make([]byte, 16<<10)
	for _, file := range f.files {
		b := buf
		if file.size > 0 {
			b = buf[:file.size]
		}
		n, err := unix.Pread(file.fd, b, file.at)
		if err != nil {
			continue // as if the file were not there
		}
		text := string(b[:n])
		switch {
		case file.lines != nil:
			all = append(all, file.lines(file.path, text)...)
		case file.size > 0:
			all = append(all, fmt.Sprintf("%s has % x", file.path, text))
		default:
			for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
				all = append(all, fmt.Sprintf("%s has %q", file.path, line))
			}
		}
	}
	for _, path := range f.nodes {
		var st unix.Stat_t
		if unix.Lstat(path, &st) == nil {
			all = append(all, fmt.Sprintf("%s has mode %#o, owner %d:%d", path, st.Mode&0o7777, st.Uid, st.Gid))
		}
	}
	for _, dir := range f.dirs {
		for _, name := range entries(dir) {
			all = append(all, fmt.Sprintf("%s has an entry %q", dir, name))
		}
	}
	slices.Sort(all)
	return all
}

// entries lists the names in a directory; none if it does not exist.
func entries(dir string) (names []string) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// firstWords is the first word of each line: a module's name without its users.
func firstWords(path, text string) (lines []string) {
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, " ")
		lines = append(lines, fmt.Sprintf("%s has %q", path, name))
	}
	return lines
}

// mountLines leaves out the mount of tracefs inside debugfs: the kernel makes it
// when somebody looks there (kernel/trace/trace.c:trace_automount, v6.12).
func mountLines(path, text string) (lines []string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 3 && words[1] != "/sys/kernel/debug/tracing" {
			lines = append(lines, fmt.Sprintf("%s has %q", filepath.Base(path), strings.Join(words[:4], " ")))
		}
	}
	return lines
}

// serialLines are the settings of serial ports without their counters:
// drivers/tty/serial/serial_core.c:uart_line_info, v6.12.
func serialLines(path, text string) (lines []string) {
	for line := range strings.Lines(text) {
		settings, _, _ := strings.Cut(strings.TrimSpace(line), " tx:")
		lines = append(lines, fmt.Sprintf("%s has %q", path, settings))
	}
	return lines
}

// kprobeLines are the registered kprobes without their addresses.
func kprobeLines(path, text string) (lines []string) {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 2 {
			lines = append(lines, fmt.Sprintf("%s has %q", path, strings.Join(words[1:3], " ")))
		}
	}
	return lines
}

// configLines is a configuration space without the status register, which the
// device changes itself.
func configLines(path, text string) []string {
	b := []byte(text)
	for i := 6; i < min(8, len(b)); i++ {
		b[i] = 0
	}
	return []string{fmt.Sprintf("%s has % x", path, b)}
}

// maxLeft bounds the differences that are reported of one probe.
const maxLeft = 8

// A change is the difference between two footprints.
type change struct{ added, removed []string }

// changed compares two sorted footprints.
func changed(before, after []string) (c change) {
	return change{without(after, before), without(before, after)}
}

// without lists the lines that another list does not have.
func without(lines, other []string) (rest []string) {
	for _, line := range lines {
		if _, found := slices.BinarySearch(other, line); !found {
			rest = append(rest, line)
		}
	}
	return rest
}

// undo is the footprint before the change.
func (c change) undo(now []string) []string {
	before := append(without(now, c.added), c.removed...)
	slices.Sort(before)
	return before
}

// sentences are what is new, and what is gone.
func (c change) sentences() (all []string) {
	all = slices.Clone(c.added)
	for _, line := range c.removed {
		all = append(all, line+" no more")
	}
	return all[:min(len(all), maxLeft)]
}
