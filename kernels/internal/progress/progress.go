// Package progress has the events of what works on kernels: what a builder is
// doing, and how far it is.
package progress

import "time"

// A Phase is what a builder is doing.
type Phase string

// The phases, in the order in which a build goes through them.
const (
	Fetching    Phase = "fetch"     // Done and Total are bytes
	Extracting  Phase = "extract"   // Done and Total are bytes of the archive
	Patching    Phase = "patch"     // Done and Total are files
	Configuring Phase = "configure" // no numbers
	Building    Phase = "build"     // Done and Total are steps of make
	Storing     Phase = "store"     // no numbers
	Noting      Phase = "note"      // Message is something that the user should read
)

// An Event is one step of progress. Events of one build come one after the
// other; those of builds that run at the same time may come at the same time.
type Event struct {
	Kernel, Arch string
	Phase        Phase
	Message      string        // one line; may be empty
	Done, Total  int64         // Total is 0 if it is not known, or turned out wrong
	ETA          time.Duration // of this phase; 0 if it is not known
}

// Fraction is how much of the phase is done, from 0 to 1, or -1 if that is not
// known.
func (e Event) Fraction() float64 {
	if e.Total <= 0 {
		return -1
	}
	return min(1, float64(e.Done)/float64(e.Total))
}

// A Meter turns counts into events, a few a second at most.
type Meter struct {
	emit        func(Event)
	event       Event
	start, last time.Time
}

// NewMeter starts a phase and sends its first event. A total of 0 is unknown.
func NewMeter(emit func(Event), p Phase, total int64) *Meter {
	m := &Meter{emit: emit, event: Event{Phase: p, Total: total}, start: time.Now()}
	m.emit(m.event)
	return m
}

const meterInterval = 200 * time.Millisecond

// Set reports how much is done, and with what.
func (m *Meter) Set(done int64, message string) {
	m.event.Done, m.event.Message = done, message
	if done > m.event.Total {
		m.event.Total = 0 // so much for the estimate
	}
	now := time.Now()
	if now.Sub(m.last) < meterInterval && done != m.event.Total {
		return
	}
	m.last = now
	m.event.ETA = 0
	if left := m.event.Total - done; left > 0 && done > 0 {
		m.event.ETA = time.Duration(float64(now.Sub(m.start)) / float64(done) * float64(left)).Round(time.Second)
	}
	m.emit(m.event)
}

// Write counts bytes: a meter can stand at the end of an io.TeeReader.
func (m *Meter) Write(p []byte) (int, error) {
	m.Set(m.event.Done+int64(len(p)), m.event.Message)
	return len(p), nil
}
