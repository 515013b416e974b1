package engine

import (
	"sync"
	"time"
)

// A feed passes events on to one reader. An emitter never waits for the reader,
// because a stopped terminal must not stop guests.
type feed struct {
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

// drainTime is how long close waits for a slow reader.
const drainTime = 2 * time.Second

// newFeed starts the goroutine that calls read for each event, in order.
func newFeed(read func(Event)) *feed {
	f := &feed{done: make(chan struct{})}
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
func (f *feed) take() (events []Event, open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && !f.closed {
		f.ready.Wait()
	}
	events, f.queue, f.bytes = f.queue, nil, 0
	return events, !f.closed
}

// emit queues an event. Events after close are dropped.
func (f *feed) emit(e Event) {
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

// dropped is the number of bytes of console output that a slow reader missed.
func (f *feed) dropped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// close waits until the reader has received every event, but no longer than
// drainTime: a blocked reader must not keep the run from ending.
func (f *feed) close() {
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
func (f *feed) Write(b []byte) (int, error) {
	f.emit(Event{Console: append([]byte(nil), b...)})
	return len(b), nil
}
