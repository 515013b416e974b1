package klog

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ldlab/ldlab/initramfs/guest/klog/klogtest"
)

// If the limiter does not wait, the kernel prints the line. If the kernel
// suppresses a line, the limiter reports that it may have.
func TestLimiterAgreesWithKernel(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var kernel klogtest.Ratelimit
		var l Limiter
		var now time.Duration
		for range 300 {
			now += time.Duration(rnd.Int64N(int64(time.Second)))
			lines := 1 + rnd.IntN(8)
			polite := rnd.IntN(3) > 0
			if polite {
				wait := l.Wait(now, lines)
				if wait > LimitInterval+LimitMargin {
					t.Fatalf("seed %d: waits %v", seed, wait)
				}
				now += wait
			}
			for range lines {
				if kernel.Allow(now) {
					l.Printed(now)
				} else if polite {
					t.Fatalf("seed %d: a line was suppressed at %v", seed, now)
				} else if !l.Full(now) {
					t.Fatalf("seed %d: a line was suppressed at %v unnoticed", seed, now)
				}
			}
		}
	}
}

func TestLimiterWaits(t *testing.T) {
	var l Limiter
	for i := range 8 {
		l.Printed(time.Duration(i) * 100 * time.Millisecond)
	}
	now := time.Second
	for _, tt := range []struct {
		lines int
		want  time.Duration
	}{
		{0, 0}, {1, 0}, {2, 0},
		{3, LimitInterval + LimitMargin - now},
		{4, 100*time.Millisecond + LimitInterval + LimitMargin - now},
		{99, 700*time.Millisecond + LimitInterval + LimitMargin - now}, // a burst is the most that fits
	} {
		if got := l.Wait(now, tt.lines); got != tt.want {
			t.Errorf("wait for %d lines: %v, want %v", tt.lines, got, tt.want)
		}
	}
	if got := l.Wait(time.Minute, 10); got != 0 || len(l.lines) != 0 {
		t.Errorf("after a minute: wait %v, %d lines remembered", got, len(l.lines))
	}
}
