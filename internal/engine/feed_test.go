package engine

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ldlab/ldlab/matrix"
)

// TestFeedKeepsOrder delivers every event, in order, before close returns.
func TestFeedKeepsOrder(t *testing.T) {
	var got []string
	f := newFeed(func(e Event) { got = append(got, e.Note) })
	want := []string{"a", "b", "c", "d"}
	for _, n := range want {
		f.emit(Event{Note: n})
	}
	f.close()
	f.emit(Event{Note: "after"})
	if len(got) != len(want) || got[0] != "a" || got[3] != "d" {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFeedBoundsConsoles: a slow reader misses console output and nothing else.
func TestFeedBoundsConsoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		notes := 0
		f := newFeed(func(e Event) {
			<-release
			if e.Note != "" {
				notes++
			}
		})
		line := make([]byte, 1<<16)
		for range 64 {
			f.Write(line)
			f.emit(Event{Note: "note"})
		}
		if f.dropped() < 32*len(line) {
			t.Errorf("%d bytes dropped", f.dropped())
		}
		close(release)
		f.close()
		if notes != 64 {
			t.Errorf("%d notes, want 64", notes)
		}
	})
}

// TestBlockedReaderBlocksNoGuest has a reader that never returns, like a
// stopped terminal.
func TestBlockedReaderBlocksNoGuest(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	r := fake(t, t.TempDir(), sound)
	var once sync.Once
	blocked := make(chan bool)
	r.options.Event = func(Event) {
		once.Do(func() { close(blocked) })
		<-release
	}
	m, err := r.measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-blocked
	if n := m.Count()[matrix.NotRun]; n != 0 {
		t.Errorf("%d cells did not run", n)
	}
}
