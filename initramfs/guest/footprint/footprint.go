// Package footprint reads what probes may touch of a guest, and compares it.
package footprint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

// A Footprint is what probes may touch of a guest, as lines. What a probe leaves
// in another state than before is reported as that probe's.
//
// Its files stay open, because a read then takes one call, and what has the same
// bytes as before is not parsed again: both happen after each probe. Lockdown
// refuses to open none of the files: a look must not be counted or logged as a
// denial.
type Footprint struct {
	parts []footPart
	all   []string // the lines of all parts, sorted
	buf   []byte
}

// checkedWhenRead is the file whose read logs a denial if hibernation is locked
// (kernel/power/hibernate.c:disk_show calls hibernation_available, v6.12). PID 1 once
// took half of the lines that a kernel logs with it. Nobody can change it then, so it
// is as it was before the lock.
const checkedWhenRead = "/sys/power/disk"

// A footPart is one thing that is looked at.
type footPart struct {
	look     func(buf []byte) (n int, err error) // its bytes
	lines    func(raw []byte) []string           // what they mean
	lockdown bool                                // it is one of lockdown's own files
	checked  bool                                // lockdown checks hibernation when it is read
	raw      []byte                              // of the last look; nil: there was none, or it failed
	known    []string                            // the lines of raw
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
	{checkedWhenRead, nil},
	{"/sys/power/resume", nil},
	{"/sys/power/image_size", nil},
	{"/sys/module/8250/parameters/share_irqs", nil},
	{"/sys/kernel/debug/kprobes/list", kprobeLines}, // mode 0400: lockdown lets it open
}

// Open opens what this kernel has of the files.
func Open() *Footprint {
	f := &Footprint{buf: make([]byte, 16<<10)}
	for _, t := range footTexts {
		n := len(f.parts)
		f.addFile(t.path, 0, len(f.buf), func(raw []byte) []string {
			if t.lines != nil {
				return t.lines(t.path, string(raw))
			}
			return textLines(t.path, string(raw))
		})
		if len(f.parts) > n {
			f.parts[n].checked = t.path == checkedWhenRead
			f.parts[n].lockdown = t.path == lockdown.LevelFile || t.path == lockdown.ReasonsFile
		}
	}
	const pat = 0x277 // IA32_PAT: reading it is not refused (arch/x86/kernel/msr.c:msr_read, v6.12)
	f.addFile("/dev/cpu/0/msr", pat, 8, func(raw []byte) []string {
		return []string{fmt.Sprintf("/dev/cpu/0/msr has % x", raw)}
	})
	for _, dir := range entries("/sys/bus/pci/devices") {
		if path := "/sys/bus/pci/devices/" + dir + "/config"; isTestDevice(path) {
			f.addFile(path, 0, 64, func(raw []byte) []string { return configLines(path, string(raw)) })
		}
	}
	const lab = "/sys/kernel/debug/ldlab"
	for _, name := range entries(lab) {
		f.addNode(lab + "/" + name)
	}
	f.addDir("/sys/kernel/tracing/instances")
	f.addDir("/sys/kernel/config/acpi/table")
	return f
}

// addFile adds a file of which size bytes at an offset count, if it can be opened.
func (f *Footprint) addFile(path string, at int64, size int, lines func([]byte) []string) {
	if fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		f.parts = append(f.parts, footPart{
			look:  func(buf []byte) (int, error) { return unix.Pread(fd, buf[:size], at) },
			lines: lines,
		})
	}
}

// addNode adds a file whose mode and owner count.
func (f *Footprint) addNode(path string) {
	f.parts = append(f.parts, footPart{
		look: func(buf []byte) (int, error) {
			var st unix.Stat_t
			if err := unix.Lstat(path, &st); err != nil {
				return 0, err
			}
			b := binary.NativeEndian.AppendUint32(buf[:0], st.Mode&0o7777)
			b = binary.NativeEndian.AppendUint32(b, st.Uid)
			return len(binary.NativeEndian.AppendUint32(b, st.Gid)), nil
		},
		lines: func(raw []byte) []string {
			word := func(i int) uint32 { return binary.NativeEndian.Uint32(raw[4*i:]) }
			return []string{fmt.Sprintf("%s has mode %#o, owner %d:%d", path, word(0), word(1), word(2))}
		},
	})
}

// addDir adds a directory whose entries count, as many as the buffer holds. It is
// opened at each look, because it may not exist yet.
func (f *Footprint) addDir(path string) {
	f.parts = append(f.parts, footPart{
		look: func(buf []byte) (int, error) {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return 0, err
			}
			defer unix.Close(fd)
			return unix.Getdents(fd, buf)
		},
		lines: func(raw []byte) (all []string) {
			_, _, names := unix.ParseDirent(raw, -1, nil)
			for _, name := range names {
				all = append(all, fmt.Sprintf("%s has an entry %q", path, name))
			}
			return all
		},
	})
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

// Read returns the footprint's lines, sorted. The caller does not change them.
func (f *Footprint) Read() []string {
	same := true
	for i := range f.parts {
		p := &f.parts[i]
		if p.checked && f.hibernationLocked() {
			continue
		}
		n, err := p.look(f.buf)
		switch {
		case err != nil:
			same = same && p.raw == nil
			p.raw, p.known = nil, nil // as if it were not there
		case p.raw == nil || !bytes.Equal(p.raw, f.buf[:n]):
			same = false
			p.raw = append(make([]byte, 0, n+1), f.buf[:n]...) // never nil
			p.known = p.lines(p.raw)
		}
	}
	if same {
		return f.all
	}
	f.all = nil
	for _, p := range f.parts {
		f.all = append(f.all, p.known...)
	}
	slices.Sort(f.all)
	return f.all
}

// hibernationLocked reports whether hibernation may be locked, by the files of lockdown
// that were read before. A level file without [none] in it is of a locked kernel, or of
// one that shows its levels in another way.
func (f *Footprint) hibernationLocked() bool {
	return f.shows("[integrity]") || f.shows("[confidentiality]") || f.shows("hibernation locked") || !f.shows("[none]")
}

// shows reports whether lockdown's own files have a text.
func (f *Footprint) shows(text string) bool {
	for _, p := range f.parts {
		if p.lockdown && bytes.Contains(p.raw, []byte(text)) {
			return true
		}
	}
	return false
}

// textLines are all lines of a text.
func textLines(path, text string) (all []string) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		all = append(all, fmt.Sprintf("%s has %q", path, line))
	}
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

// A Change is the difference between two footprints.
type Change struct{ Added, Removed []string }

// Changed compares two sorted footprints.
func Changed(before, after []string) (c Change) {
	if len(before) == len(after) && len(before) > 0 && &before[0] == &after[0] {
		return Change{} // nothing was read anew
	}
	return Change{without(after, before), without(before, after)}
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

// Undo is the footprint before the change.
func (c Change) Undo(now []string) []string {
	before := append(without(now, c.Added), c.Removed...)
	slices.Sort(before)
	return before
}

// Sentences are what is new, and what is gone.
func (c Change) Sentences() (all []string) {
	all = slices.Clone(c.Added)
	for _, line := range c.Removed {
		all = append(all, line+" no more")
	}
	return all[:min(len(all), maxLeft)]
}
