package race

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

// Run runs a race, which lockdown.CheckRace must accept, and leaves everything open.
func Run(r lockdown.Race) lockdown.RaceReport { return run(r, findState) }

func run(r lockdown.Race, find func() (state, error)) (report lockdown.RaceReport) {
	start := time.Now()
	defer func() { report.NS = int64(time.Since(start)) }()
	t, err := newTrack(r, find)
	if err != nil {
		return lockdown.RaceReport{Error: err.Error()}
	}
	defer t.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	if err := onProcessor(0); err != nil {
		return lockdown.RaceReport{Error: err.Error()}
	}
	defer onAll()
	go t.second()
	t.ready(1)
	for report.Rounds < r.Rounds && (r.Enough == 0 || report.Broken < r.Enough) {
		report.Rounds++
		turned, broken := t.round(report.Rounds)
		if t.failed != nil {
			report.Error = t.failed.Error()
			break
		}
		if turned {
			report.First++
		}
		if broken == "" {
			continue
		}
		if report.Broken++; report.Broken == 1 {
			report.Example = fmt.Sprintf("round %d: %s", report.Rounds, broken)
		}
	}
	t.gate.Store(-1)
	return report
}

// A track is what both threads of a race share.
type track struct {
	lockdown.Race
	state state
	fds   []int
	data  [][]byte
	acts  []*byte // names of the writers' acts
	paths []*byte // names of the files to watch

	gate   atomic.Int64  // the round that may start; -1: no more
	done   atomic.Int64  // the last round that the second thread has ended
	stop   atomic.Int64  // the last round that a watcher may end
	other  error         // of the second writer
	failed error         // of a writer, other than a refusal
	seen   string        // by the watcher: how it saw half a lock
	both   bool          // the watcher was there before the write and after it
	made   time.Duration // how long it takes to make the directory alone
	aim    time.Duration // how long the writer waited for that
	seed   uint64
}

func newTrack(r lockdown.Race, find func() (state, error)) (*track, error) {
	if n := runtime.NumCPU(); n < 2 {
		return nil, fmt.Errorf("the guest has %d processor", n)
	}
	t := &track{Race: r, seed: 1}
	var err error
	if t.state, err = find(); err != nil {
		return nil, err
	}
	for _, w := range r.Writers {
		fd, err := unix.Open(w.File, unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.close()
			return nil, fmt.Errorf("open %s: %w", w.File, err)
		}
		t.fds, t.data, t.acts = append(t.fds, fd), append(t.data, []byte(w.Data)), append(t.acts, cString(w.Act))
		r.Watch = append(r.Watch, w.Act)
	}
	for _, file := range t.Watch {
		t.paths = append(t.paths, cString(file))
	}
	t.state.open()
	for _, file := range r.Watch {
		if file != "" && !opens(cString(file)) {
			t.close()
			return nil, fmt.Errorf("open %s: denied with nothing locked", file)
		}
	}
	if t.Make != "" {
		if err := t.measure(); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// measure makes the directory once, with nothing locked.
func (t *track) measure() error {
	start := time.Now()
	if err := unix.Mkdir(t.Make, 0o755); err != nil {
		return fmt.Errorf("mkdir %s: %w", t.Make, err)
	}
	t.made = time.Since(start)
	t.aim = t.made / 2
	if err := unix.Rmdir(t.Make); err != nil {
		return fmt.Errorf("rmdir %s: %w", t.Make, err)
	}
	return nil
}

func (t *track) close() {
	for _, fd := range t.fds {
		unix.Close(fd)
	}
	t.state.open()
}

// ready waits until the second thread has ended a round. 1 is none: the thread is
// there.
func (t *track) ready(round int64) {
	for t.done.Load() < round {
	}
}

// round runs one round. turned is RaceReport.First of it, and broken is how it was
// broken.
func (t *track) round(n int) (turned bool, broken string) {
	t.state.open()
	number := int64(n) + 1
	refused := t.other != nil // in the round before
	t.gate.Store(number)
	switch {
	case t.Make != "":
		t.wait(refused)
	case len(t.Watch) > 0:
		t.pause(0)
	default:
		t.pause(n % 2)
	}
	err := t.write(0)
	t.stop.Store(number)
	t.ready(number)
	t.judge(0, err)
	if len(t.Writers) == 2 {
		t.judge(1, t.other)
	}
	switch {
	case t.Make != "":
		_ = unix.Rmdir(t.Make)
		return t.other != nil, ""
	case len(t.Watch) > 0:
		return t.both, t.seen
	}
	for i, err := range []error{err, t.other} {
		if w := t.Writers[i]; err == nil && opens(t.acts[i]) {
			broken += fmt.Sprintf("write(%q) = %d, then open(%q) is allowed; ", w.Data, len(w.Data), w.Act)
		}
	}
	if broken != "" {
		broken += fmt.Sprintf("the other write: %v, %v", err, t.other)
	}
	return err != nil || t.other != nil, broken
}

// judge keeps the error of a writer unless it is a refusal: a round whose writes fail
// proves nothing.
func (t *track) judge(writer int, err error) {
	if err != nil && !errors.Is(err, unix.EPERM) && t.failed == nil {
		t.failed = fmt.Errorf("write %q to %s: %w", t.data[writer], t.Writers[writer].File, err)
	}
}

// second is the second thread: it writes or watches in each round.
func (t *track) second() {
	runtime.LockOSThread() // the thread ends with the goroutine
	t.other = onProcessor(1)
	t.done.Store(1)
	for last := int64(1); ; {
		n := t.gate.Load()
		switch n {
		case -1:
			return
		case last, 0:
			continue
		}
		last = n
		switch {
		case t.Make != "":
			t.other = unix.Mkdir(t.Make, 0o755)
		case len(t.Watch) > 0:
			t.watch(n)
		default:
			t.pause(int(n % 2))
			t.other = t.write(1)
		}
		t.done.Store(n)
	}
}

// watch opens the files in turn until the writer has ended and both are denied.
func (t *track) watch(n int64) {
	t.seen, t.both = "", false
	before, denied := false, ""
	for i := 0; ; i++ {
		last := t.stop.Load() == n
		file := t.Watch[i%2]
		if opens(t.paths[i%2]) {
			if denied != "" && t.seen == "" {
				t.seen = fmt.Sprintf("open(%q) is denied, then open(%q) is allowed", denied, file)
			}
			before = true
		} else {
			denied, t.both = file, before
		}
		if last && i%2 == 1 {
			return
		}
	}
}

// pause waits for a random time if the thread is the one to wait in this round, so
// that each meets every part of the other's way.
func (t *track) pause(mine int) {
	if mine != 0 {
		return
	}
	for range t.random() % maxPause {
		pauses.Add(1)
	}
}

// wait waits until the directory is about to be made: longer after a round in which
// it was refused, and shorter after one in which it was made. So the write comes
// around the first time that the kernel asks.
func (t *track) wait(refused bool) {
	step := t.made/64 + 1
	if refused {
		t.aim += step
	} else {
		t.aim -= step
	}
	t.aim = min(max(t.aim, 0), 2*t.made)
	for start, d := time.Now(), t.aim+time.Duration(t.random())%(2*step); time.Since(start) < d; {
	}
}

func (t *track) random() uint64 {
	t.seed = t.seed*6364136223846793005 + 1442695040888963407 // Knuth's MMIX
	return t.seed >> 33
}

// maxPause is how many additions a thread waits at most.
const maxPause = 200

var pauses atomic.Int64

// write writes a writer's command.
func (t *track) write(i int) error {
	n, err := unix.Write(t.fds[i], t.data[i]) // a seq_file takes no pwrite(2)
	if err == nil && n != len(t.data[i]) {
		err = errors.New("written in part")
	}
	return err
}

// opens reports whether lockdown allows open(2). It allocates nothing: enough garbage
// starts a collection, which stops one thread, and waits for ever for the other one, which
// waits for the first, because the guest program has no asynchronous preemption.
func opens(path *byte) bool {
	at := unix.AT_FDCWD
	fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(path)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno == 0 {
		unix.Close(int(fd))
	}
	return errno != unix.EPERM
}

func cString(text string) *byte { return &append([]byte(text), 0)[0] }

func onProcessor(n int) error {
	var set unix.CPUSet
	set.Set(n)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("run on processor %d: %w", n, err)
	}
	return nil
}

// onAll lets the thread run on any processor again.
func onAll() {
	var set unix.CPUSet
	for n := range runtime.NumCPU() {
		set.Set(n)
	}
	_ = unix.SchedSetaffinity(0, &set)
}
