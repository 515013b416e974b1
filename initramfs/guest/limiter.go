package main

import "time"

// The kernel's limit on denial lines: lockdown_is_locked_down() prints through
// one pr_notice_ratelimited() (security/lockdown/lockdown.c, v6.12), whose
// state allows DEFAULT_RATELIMIT_BURST lines in DEFAULT_RATELIMIT_INTERVAL
// (include/linux/ratelimit_types.h), shared by all reasons and all tasks.
const (
	limitBurst    = 10
	limitInterval = 5 * time.Second
	limitMargin   = 2 * jiffy // both ends of the interval are rounded
)

// A limiter knows which denial lines the kernel printed lately. The kernel's
// current window lies inside the interval that ends now. So if fewer lines than
// a burst were printed in that interval, the kernel suppressed none.
//
// ___ratelimit() (lib/ratelimit.c, v6.12) measures its interval in jiffies. On a
// machine whose timer interrupts come late these fall behind every other clock,
// by seconds if the host is busy, so the limiter counts in jiffies, too.
type limiter struct {
	lines []time.Duration // when each line was seen, at the earliest when it was printed; ascending
}

// printed records a denial line.
func (l *limiter) printed(at time.Duration) { l.lines = append(l.lines, at) }

// exhaust records as many lines as the kernel prints in one interval.
func (l *limiter) exhaust(now time.Duration) {
	for range limitBurst {
		l.printed(now)
	}
}

// forget drops the lines that are older than an interval.
func (l *limiter) forget(now time.Duration) {
	for len(l.lines) > 0 && l.lines[0]+limitInterval+limitMargin <= now {
		l.lines = l.lines[1:]
	}
}

// wait returns how long to wait until the kernel would print n more lines.
func (l *limiter) wait(now time.Duration, n int) time.Duration {
	l.forget(now)
	excess := len(l.lines) + min(max(n, 1), limitBurst) - limitBurst
	if excess <= 0 {
		return 0
	}
	return l.lines[excess-1] + limitInterval + limitMargin - now
}

// full reports whether the kernel may be suppressing lines.
func (l *limiter) full(now time.Duration) bool { return l.wait(now, 1) > 0 }
