package pace

import (
	"math"
	"sync"
	"testing"
	"time"
)

func TestFactor(t *testing.T) {
	var zero Pace
	var none *Pace
	none.Observe(time.Second, time.Hour) // nothing to raise
	for name, tt := range map[string]struct {
		p    *Pace
		want float64
	}{
		"zero": {&zero, 1}, "nil": {none, 1}, "fast": {New(0.2), Floor}, "slow": {New(2.5), 2.5},
		"stopped": {New(1e9), Ceiling}, "NaN": {New(math.NaN()), Floor}, "infinite": {New(math.Inf(1)), Ceiling},
	} {
		if got := tt.p.Factor(); got != tt.want {
			t.Errorf("%s: factor %v, want %v", name, got, tt.want)
		}
		if got, want := tt.p.Limit(2*time.Second), time.Duration(2*tt.want*float64(time.Second)); got != want {
			t.Errorf("%s: limit %v, want %v", name, got, want)
		}
	}
}

// TestObserve: what is slow raises the factor, what is fast or no time at all
// does not lower it.
func TestObserve(t *testing.T) {
	p := New(2)
	for _, step := range []struct {
		nominal, took time.Duration
		want          float64
	}{
		{time.Second, time.Second, 2}, {time.Second, 3 * time.Second, 3}, {time.Second, time.Millisecond, 3},
		{0, time.Hour, 3}, {-time.Second, time.Hour, 3}, {time.Second, -time.Hour, 3}, {time.Second, time.Hour, Ceiling},
	} {
		if p.Observe(step.nominal, step.took); p.Factor() != step.want {
			t.Errorf("%v for %v: factor %v, want %v", step.took, step.nominal, p.Factor(), step.want)
		}
	}
}

func TestObserveAtOnce(t *testing.T) {
	p := New(1)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { p.Observe(time.Second, time.Duration(i+1)*time.Second) })
	}
	all.Wait()
	if p.Factor() != 8 {
		t.Errorf("factor %v, want 8", p.Factor())
	}
}

// clock is a time that goes on by a step with each reading.
func clock(step time.Duration) func() time.Time {
	t := time.Unix(0, 0)
	return func() time.Time { t = t.Add(step); return t }
}

// TestMeasure works by a made-up clock: the factor follows the time that the
// rounds took, and a host that stands still does not keep Measure for long.
func TestMeasure(t *testing.T) {
	for _, want := range []float64{1, 3, Ceiling} {
		// The clock is read once before the rounds, and after each and at the end.
		step := time.Duration(want * float64(nominalWork) / (rounds + 1))
		if got := measure(clock(step), func() {}).Factor(); math.Abs(got-want) > 0.01*want {
			t.Errorf("factor %v, want %v", got, want)
		}
	}
	reads := 0
	stopped := clock(time.Hour)
	measure(func() time.Time { reads++; return stopped() }, func() {})
	if reads > 3 {
		t.Errorf("%d readings of a clock that ran away", reads)
	}
}

func TestHostIsShared(t *testing.T) {
	if a, b := Host(), Host(); a != b || a.Factor() < Floor || a.Factor() > Ceiling {
		t.Errorf("%p %v, %p", a, a.Factor(), b)
	}
}

func BenchmarkMeasure(b *testing.B) {
	words := make([]uint64, table)
	for b.Loop() {
		work(words)
	}
}
