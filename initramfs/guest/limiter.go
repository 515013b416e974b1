package main

import "time"

// The kernel's limit on denial lines: lockdown_is_locked_down() prints through
// one pr_notice_ratelimited() (security/lockdown/lockdown.c, v6.12), whose
// state allows DEFAULT_RATELIMIT_BURST lines in DEFAULT_RATELIMIT_INTERVAL
// (include/linux/ratelimit_types.h), shared by all reasons and all tasks.
const (
	limitBurst    = 10
	limitInterval = 5 * time.Second
	limitMargin   = 250 * time.Millisecond // jiffies, and the log's clock, are not ours
)

// A limiter knows which denial lines the kernel printed lately. The kernel
// counts in windows of its own; each of them lies inside the interval that
// ends now, so that fewer than a burst of lines in that interval means that
// no line was held back.
type limiter struct {
	lines []time.Duration // times of the log, ascending, none older than an interval when last asked
}

// printed records a denial line.
func (l *limiter) printed(at time.Duration) { l.lines = append(l.lines, at) }

// forget drops the lines that count no more.
func (l *limiter) forget(now time.Duration) {
	for len(l.lines) > 0 && l.lines[0]+limitInterval+limitMargin <= now {
		l.lines = l.lines[1:]
	}
}

// wait is how long to wait until n more lines would be printed.
func (l *limiter) wait(now time.Duration, n int) time.Duration {
	l.forget(now)
	excess := len(l.lines) + min(max(n, 1), limitBurst) - limitBurst
	if excess <= 0 {
		return 0
	}
	return l.lines[excess-1] + limitInterval + limitMargin - now
}

// full reports whether the kernel may be holding lines back.
func (l *limiter) full(now time.Duration) bool { return l.wait(now, 1) > 0 }
