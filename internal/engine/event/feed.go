package event

import (
	"sync"
	"time"
)

// A Feed passes events on to one reader. An emitter never waits for the reader,
// because a stopped terminal must not stop guests.
type Feed struct {
	mu     sync.Mutex
	ready  sync.Cond
	queue  []Event
	bytes  int // of console output in the queue
	lost   int // bytes of console output that were dropped
	closed bool
	done   chan struct{} // the reader has received everything
}

// maxConsoleQueue bounds the console output that waits for a slow reader, in
// bytes. The file that is kept of a failed guest has all of it.
const maxConsoleQueue = 1 << 20

// drainTime is how long Close waits for a slow reader.
const drainTime = 2 * time.Second

// New returns a feed, and starts the goroutine that calls read for each event, in order.
func New(read func(Event)) *Feed {
	f := &Feed{done: make(chan struct{})}
	f.ready.L = &f.mu
	go func() {
		defer close(f.done)
		for {
			events, open := f.take()
			for _, e := range events {
				read(e)
			}
			if !open {
				return
			}
		}
	}()
	return f
}

// take waits for events. open is false after the last of them.
func (f *Feed) take() (events []Event, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && !f.closed {
		f.ready.Wait()
	}
	events, f.queue, f.bytes = f.queue, nil, 0
	return events, !f.closed
}

// Emit queues an event. Events after Close are dropped.
func (f *Feed) Emit(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if n := len(e.Console); n > 0 {
		if f.bytes += n; f.bytes > maxConsoleQueue {
			f.bytes -= n
			f.lost += n
			return
		}
	}
	f.queue = append(f.queue, e)
	f.ready.Signal()
}

// Dropped is the number of bytes of console output that a slow reader missed.
func (f *Feed) Dropped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// Close waits until the reader has received every event, but no longer than
// drainTime: a blocked reader must not keep the run from ending.
func (f *Feed) Close() {
	f.mu.Lock()
	f.closed = true
	f.ready.Signal()
	f.mu.Unlock()
	select {
	case <-f.done:
	case <-time.After(drainTime):
	}
}

// Write queues console output, so that the feed is the Console of machines.
func (f *Feed) Write(b []byte) (int, error) {
	f.Emit(Event{Console: append([]byte(nil), b...)})
	return len(b), nil
}
