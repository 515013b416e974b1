// Package klogtest has the kernel's side of the log for tests.
package klogtest

import "time"

// A Ratelimit is ___ratelimit() of lib/ratelimit.c, v6.12, with the state that limits
// denial lines: DEFAULT_RATELIMIT_BURST lines in DEFAULT_RATELIMIT_INTERVAL
// (include/linux/ratelimit_types.h).
type Ratelimit struct {
	begin   time.Duration
	begun   bool
	printed int
}

// Allow reports whether the kernel prints a line at that time.
func (r *Ratelimit) Allow(now time.Duration) bool {
	if !r.begun || now > r.begin+5*time.Second {
		r.begin, r.begun, r.printed = now, true, 0
	}
	if r.printed >= 10 {
		return false
	}
	r.printed++
	return true
}
