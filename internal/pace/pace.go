// Package pace knows how slow this host is, so that no deadline assumes a fast
// one. A Pace is a factor: 1 is an idle processor of the kind on which the lab's
// deadlines were chosen, 3 is a host on which the same work takes three times as
// long, because it is slower, busy, or has a CPU quota.
package pace

import (
	"sync"
	"time"
)

// Bounds of the factor. With the floor no deadline is shorter than it was
// chosen. With the ceiling a hang is still found: a guest of an emulated arm64
// machine, which has the longest deadline, is given up after 64 minutes on the
// slowest host and after 4 on a fast one.
const (
	Floor   = 1.0
	Ceiling = 16.0
)

// A Pace is how slow a host was found to be. It starts from one measurement and
// is raised by what takes longer than expected; it never falls. The zero Pace
// and a nil one have the factor Floor. Methods may be called at the same time.
type Pace struct {
	mu     sync.Mutex
	factor float64 // 0: Floor
}

// New is a Pace with a factor, within the bounds.
func New(factor float64) *Pace {
	p := &Pace{}
	p.raise(factor)
	return p
}

// Host is this host's Pace, which all of this process shares. The first call
// measures, which takes 0.1 s times the factor.
var Host = sync.OnceValue(Measure)

// Factor is how many times slower than expected this host is.
func (p *Pace) Factor() float64 {
	if p == nil {
		return Floor
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.factor, Floor)
}

// Limit is a deadline on this host for what may take the nominal time on a host
// of factor 1.
func (p *Pace) Limit(nominal time.Duration) time.Duration {
	return time.Duration(float64(nominal) * p.Factor())
}

// Observe raises the factor if something took longer than the nominal time,
// such as a guest's boot. Times that are not positive are ignored.
func (p *Pace) Observe(nominal, took time.Duration) {
	if p != nil && nominal > 0 && took > 0 {
		p.raise(float64(took) / float64(nominal))
	}
}

func (p *Pace) raise(factor float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if factor > p.factor { // not NaN
		p.factor = min(factor, Ceiling)
	}
}
