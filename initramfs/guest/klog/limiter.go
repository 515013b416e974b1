package klog

import "time"

// Jiffy is the unit of times(2), one in USER_HZ (100 on each architecture of the lab).
const Jiffy = 10 * time.Millisecond

// LimitBurst, LimitInterval and LimitMargin are the kernel's limit on denial lines: lockdown_is_locked_down() prints through
// one pr_notice_ratelimited() (security/lockdown/lockdown.c, v6.12), whose
// state allows DEFAULT_RATELIMIT_BURST lines in DEFAULT_RATELIMIT_INTERVAL
// (include/linux/ratelimit_types.h), shared by all reasons and all tasks.
const (
	LimitBurst    = 10
	LimitInterval = 5 * time.Second
	LimitMargin   = 2 * Jiffy // both ends of the interval are rounded
)

// A Limiter knows which denial lines the kernel printed lately. The kernel's
// current window lies inside the interval that ends now. So if fewer lines than
// a burst were printed in that interval, the kernel suppressed none.
//
// ___ratelimit() (lib/ratelimit.c, v6.12) measures its interval in jiffies. On a
// machine whose timer interrupts come late these fall behind every other clock,
// by seconds if the host is busy, so the limiter counts in jiffies, too.
type Limiter struct {
	lines []time.Duration // when each line was seen, at the earliest when it was printed; ascending
}

// Printed records a denial line.
func (l *Limiter) Printed(at time.Duration) { l.lines = append(l.lines, at) }

// Exhaust records as many lines as the kernel prints in one interval.
func (l *Limiter) Exhaust(now time.Duration) {
	for range LimitBurst {
		l.Printed(now)
	}
}

// forget drops the lines that are older than an interval.
func (l *Limiter) forget(now time.Duration) {
	for len(l.lines) > 0 && l.lines[0]+LimitInterval+LimitMargin <= now {
		l.lines = l.lines[1:]
	}
}

// Wait returns how long to wait until the kernel would print n more lines.
func (l *Limiter) Wait(now time.Duration, n int) time.Duration {
	l.forget(now)
	excess := len(l.lines) + min(max(n, 1), LimitBurst) - LimitBurst
	if excess <= 0 {
		return 0
	}
	return l.lines[excess-1] + LimitInterval + LimitMargin - now
}

// Full reports whether the kernel may be suppressing lines.
func (l *Limiter) Full(now time.Duration) bool { return l.Wait(now, 1) > 0 }
