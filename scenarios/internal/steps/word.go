package steps

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// sitesFile has what the lab's series counted of each call site, reason and task
// (kernels/patches/lab).
const sitesFile = "/sys/kernel/security/ldlab/sites"

// maxSites bounds what is read of it, in bytes.
const maxSites = 256 << 10

// A word is what the kernel says of this task's denials: its log, and, if it counts
// them, its counts. Both files are opened before the first step, which may give up
// the right to open them.
type word struct {
	comm string
	log  int // below 0: there is none
	fd   int // of the counts; below 0: this kernel does not count
	seen map[observe.Count]int
}

func newWord() *word {
	w := &word{log: -1, fd: -1, seen: map[observe.Count]int{}}
	name, err := os.ReadFile("/proc/thread-self/comm")
	if err == nil {
		w.comm = strings.TrimSuffix(string(name), "\n")
	}
	if fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Seek(fd, 0, unix.SEEK_END)
		w.log = fd
	}
	if fd, err := unix.Open(sitesFile, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		w.fd = fd
	}
	w.counts() // what was counted before
	return w
}

func (w *word) close() {
	for _, fd := range []int{w.log, w.fd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// of adds to a step what the kernel logged and counted since the step before.
func (w *word) of(s *observe.Step) {
	for _, line := range w.lines() {
		line = strings.ToValidUTF8(line[:min(len(line), maxLine)], "?")
		if len(s.Logged) < maxLines {
			s.Logged = append(s.Logged, line)
		}
		if !strings.HasPrefix(line, "Lockdown: "+w.comm+": ") {
			continue
		}
		if s.Lines++; s.Lines == 1 {
			s.Log = line
		}
	}
	s.Denials = w.counts()
}

// Bounds of what a step keeps of the log.
const (
	maxLines = 16
	maxLine  = 200 // bytes
)

// lines are what the kernel itself logged since the last call.
func (w *word) lines() (lines []string) {
	if w.log < 0 {
		return nil
	}
	for b := make([]byte, 8<<10); ; { // PRINTKRB_RECORD_MAX: include/linux/printk.h
		n, err := unix.Read(w.log, b)
		if err == unix.EPIPE || err == unix.EINTR { // records were overwritten
			continue
		}
		if err != nil || n == 0 {
			return lines
		}
		// Documentation/ABI/testing/dev-kmsg: priority and facility, and more;text
		head, record, _ := strings.Cut(string(b[:n]), ";")
		priority, _, _ := strings.Cut(head, ",")
		if p, err := strconv.Atoi(priority); err != nil || p >= 8 {
			continue // user space wrote it
		}
		line, _, _ := strings.Cut(record, "\n")
		lines = append(lines, line)
	}
}

// counts are the denials of this task that were counted since the last call.
func (w *word) counts() (list []observe.Count) {
	if w.fd < 0 {
		return nil
	}
	b := make([]byte, maxSites)
	n := 0
	for n < len(b) {
		m, err := unix.Pread(w.fd, b[n:], int64(n))
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	for line := range strings.Lines(string(b[:n])) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t") // site, label, task, checks, denials
		if len(f) != 5 || f[2] != w.comm {
			continue
		}
		denials, err := strconv.Atoi(f[4])
		key := observe.Count{Site: f[0], Label: f[1]}
		if more := denials - w.seen[key]; err == nil && more > 0 {
			w.seen[key] = denials
			list = append(list, observe.Count{Site: f[0], Label: f[1], N: more})
		}
	}
	slices.SortFunc(list, func(a, b observe.Count) int { return strings.Compare(a.Label+a.Site, b.Label+b.Site) })
	return list
}
