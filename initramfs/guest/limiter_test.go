package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// ratelimit is ___ratelimit() of lib/ratelimit.c, v6.12.
type ratelimit struct {
	begin   time.Duration
	begun   bool
	printed int
}

func (r *ratelimit) allow(now time.Duration) bool {
	if !r.begun || now > r.begin+limitInterval {
		r.begin, r.begun, r.printed = now, true, 0
	}
	if r.printed >= limitBurst {
		return false
	}
	r.printed++
	return true
}

// If the limiter does not wait, the kernel prints the line. If the kernel
// suppresses a line, the limiter reports that it may have.
func TestLimiterAgreesWithKernel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var kernel ratelimit
		var l limiter
		var now time.Duration
		for range 300 {
			now += time.Duration(rnd.Int64N(int64(time.Second)))
			lines := 1 + rnd.IntN(8)
			polite := rnd.IntN(3) > 0
			if polite {
				wait := l.wait(now, lines)
				if wait > limitInterval+limitMargin {
					t.Fatalf("seed %d: waits %v", seed, wait)
				}
				now += wait
			}
			for range lines {
				if kernel.allow(now) {
					l.printed(now)
				} else if polite {
					t.Fatalf("seed %d: a line was suppressed at %v", seed, now)
				} else if !l.full(now) {
					t.Fatalf("seed %d: a line was suppressed at %v unnoticed", seed, now)
				}
			}
		}
	}
}

func TestLimiterWaits(t *testing.T) {
	var l limiter
	for i := range 8 {
		l.printed(time.Duration(i) * 100 * time.Millisecond)
	}
	now := time.Second
	for _, tt := range []struct {
		lines int
		want  time.Duration
	}{
		{0, 0}, {1, 0}, {2, 0},
		{3, limitInterval + limitMargin - now},
		{4, 100*time.Millisecond + limitInterval + limitMargin - now},
		{99, 700*time.Millisecond + limitInterval + limitMargin - now}, // a burst is the most that fits
	} {
		if got := l.wait(now, tt.lines); got != tt.want {
			t.Errorf("wait for %d lines: %v, want %v", tt.lines, got, tt.want)
		}
	}
	if got := l.wait(time.Minute, 10); got != 0 || len(l.lines) != 0 {
		t.Errorf("after a minute: wait %v, %d lines remembered", got, len(l.lines))
	}
}

func TestKernelClockGoesOn(t *testing.T) {
	var c kernelClock
	for begin := c.now(); c.now() <= begin; {
		c.sleep(t.Context(), jiffy)
	}
}
