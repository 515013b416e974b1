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

// A word is what the kernel shows of this task's denials: its log, and, if it counts
// them, its counts. Both files are opened before the first step, which may give up
// the right to open them.
type word struct {
	comm    string
	log     int                       // below 0: there is none
	next    func([]byte) (int, error) // reads a record of the log
	fd      int                       // of the counts; below 0: this kernel does not count
	seen    map[observe.Count]int
	denials int // denial lines of all tasks that the log has had
}

// limitBurst is how many denial lines the kernel logs before it suppresses some:
// DEFAULT_RATELIMIT_BURST, include/linux/ratelimit_types.h, v6.12.
const limitBurst = 10

func newWord() *word {
	w := &word{log: -1, fd: -1, seen: map[observe.Count]int{}}
	name, err := os.ReadFile("/proc/thread-self/comm")
	if err == nil {
		w.comm = strings.TrimSuffix(string(name), "\n")
	}
	if fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		w.log, w.next = fd, func(b []byte) (int, error) { return unix.Read(fd, b) }
	}
	if fd, err := unix.Open(sitesFile, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		w.fd = fd
	}
	w.of(&observe.Step{}) // what was logged and counted before
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
	lines, whole := w.lines()
	for _, line := range lines {
		if len(line) > maxLine {
			line, whole = line[:maxLine], false
		}
		line = strings.ToValidUTF8(line, "?")
		if len(s.Logged) < maxLines {
			s.Logged = append(s.Logged, line)
		} else {
			whole = false
		}
		if strings.HasPrefix(line, "Lockdown: ") {
			w.denials++
		}
		if !strings.HasPrefix(line, "Lockdown: "+w.comm+": ") {
			continue
		}
		if s.Lines++; s.Lines == 1 {
			s.Log = line
		}
	}
	var counted bool
	s.Denials, counted = w.counts()
	// Without counts, a line that the kernel suppressed leaves no trace. Lines that are
	// older than the limit's interval make this too careful, and never wrong.
	s.LogLost = !whole || w.comm == "" || !counted && w.denials >= limitBurst
}

// Bounds of what a step keeps of the log.
const (
	maxLines = 16
	maxLine  = 200 // bytes
)

// lines are what the kernel itself logged since the last call, and whether these are
// all.
func (w *word) lines() (lines []string, whole bool) {
	if w.log < 0 {
		return nil, false
	}
	whole = true
	for b := make([]byte, 8<<10); ; { // PRINTKRB_RECORD_MAX: include/linux/printk.h
		n, err := w.next(b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EPIPE: // records were overwritten
			whole = false
			continue
		case err == unix.EAGAIN:
			return lines, whole
		case err != nil || n == 0:
			return lines, false
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

// counts are the denials of this task that were counted since the last call, and
// whether these are all.
func (w *word) counts() (list []observe.Count, all bool) {
	if w.fd < 0 {
		return nil, false
	}
	all = true
	b := make([]byte, maxSites)
	n := 0
	for n < len(b) {
		m, err := unix.Pread(w.fd, b[n:], int64(n))
		if err != nil || m <= 0 {
			all = err == nil
			break
		}
		n += m
	}
	all = all && n < len(b)
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
	return list, all
}
