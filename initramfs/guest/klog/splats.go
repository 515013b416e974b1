package klog

import (
	"slices"
	"strconv"
	"strings"
)

// splatPrefixes start the lines in which the kernel reports a bug of its own:
// WARN() and all that lockdep and RCU find (kernel/panic.c:__warn,
// kernel/locking/lockdep.c, v6.12), a task that sleeps where it must not
// (kernel/sched/core.c:__might_resched), UBSAN (lib/ubsan.c:ubsan_prologue).
// Sanitizers' reports are BUGs, too.
var splatPrefixes = []string{"WARNING: ", "BUG: ", "INFO: trying to register non-static key", "UBSAN: "}

// slowPrefixes start lines of that form that only report that something took long.
// On an emulated machine that is the host's doing as a rule, and a guest that
// really hangs does not answer. The stalls that RCU and the watchdog report have
// other prefixes.
var slowPrefixes = []string{"BUG: workqueue lockup", "BUG: soft lockup"}

// expectedWarnings is how lockdown's KUnit suite announces that it will ask for two
// reasons that do not exist, of which the kernel warns.
const expectedWarnings = "two warnings are expected here"

const maxSplats = 16

// Splats collects the kernel's reports of its own bugs.
type Splats struct {
	lines    []string
	any      bool // there were lines, perhaps in a state before
	expected int  // warnings that were announced
}

// Look keeps a record that reports a bug.
func (s *Splats) Look(r Record) {
	if strings.HasSuffix(r.Text, expectedWarnings) && !r.User {
		s.expected = 2
	}
	starts := func(prefix string) bool { return strings.HasPrefix(r.Text, prefix) }
	if r.User || !slices.ContainsFunc(splatPrefixes, starts) || slices.ContainsFunc(slowPrefixes, starts) {
		return
	}
	if s.expected > 0 && strings.Contains(r.Text, " lockdown_is_locked_down+") {
		s.expected--
		return
	}
	if s.any = true; len(s.lines) < maxSplats {
		s.lines = append(s.lines, r.Text[:min(len(r.Text), MaxLogLine)])
	}
}

// Take returns what was collected since the last call.
func (s *Splats) Take() []string {
	lines := s.lines
	s.lines = nil
	return lines
}

// Reported tells whether there was a report, in whichever state.
func (s *Splats) Reported() bool { return s.any }

// Bits of /proc/sys/kernel/tainted (include/linux/panic.h, v6.12).
const (
	taintWarn = 1 << 9  // WARN(), and a task that slept where it must not
	taintTest = 1 << 18 // KUnit ran, whose tests may provoke warnings
)

// Traces are what is left of a report whose line the log has lost, because a probe
// that has the kernel dump its state may fill all of the log: the kernel is tainted,
// or lockdep has turned itself off. tainted and stats are the contents of
// /proc/sys/kernel/tainted and /proc/lockdep_stats.
func Traces(tainted, stats string) (lines []string) {
	if n, err := strconv.ParseUint(strings.TrimSpace(tainted), 10, 64); err == nil && n&taintWarn != 0 && n&taintTest == 0 {
		lines = append(lines, "a warning, of which the log has lost the line: /proc/sys/kernel/tainted is "+strings.TrimSpace(tainted))
	}
	for line := range strings.Lines(stats) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "debug_locks" && strings.TrimSpace(value) == "0" {
			lines = append(lines, "a report of lockdep's, of which the log has lost the line: /proc/lockdep_stats has debug_locks 0")
		}
	}
	return lines
}
