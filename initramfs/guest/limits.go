package main

import "time"

// limits are all deadlines of this program. The kernel's own times, such as
// the interval of its limit on log lines, are not among them.
type limits struct {
	act    time.Duration // the context of a probe's Setup or Act ends, so that it can undo what it did
	killed time.Duration // the child is killed if Setup or Act has not returned
	gone   time.Duration // a killed child is waited for
	output time.Duration // output is read after the process that wrote it has ended
}

// maxScale bounds the factor, so that no limit overflows.
const maxScale = 1e4

// currentLimits are the limits of the last request, or those of scale 1.
func (g *guest) currentLimits() limits {
	if l := g.limits.Load(); l != nil {
		return *l
	}
	return newLimits(1)
}

// setLimits sets the limits for a request's scale.
func (g *guest) setLimits(scale float64) {
	l := newLimits(scale)
	g.limits.Store(&l)
}

// newLimits returns the limits for a request's scale. A scale that is no
// positive number counts as 1.
func newLimits(scale float64) limits {
	if !(scale > 0) { // NaN, too
		scale = 1
	}
	scale = min(scale, maxScale)
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * scale) }
	return limits{
		act:    scaled(8 * time.Second),
		killed: scaled(10 * time.Second),
		gone:   scaled(2 * time.Second),
		output: scaled(time.Second),
	}
}
