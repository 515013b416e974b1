package event

import (
	"testing"
	"testing/synctest"
)

// TestFeedKeepsOrder delivers every event, in order, before Close returns.
func TestFeedKeepsOrder(t *testing.T) {
	var got []string
	f := New(func(e Event) { got = append(got, e.Note) })
	want := []string{"a", "b", "c", "d"}
	for _, n := range want {
		f.Emit(Event{Note: n})
	}
	f.Close()
	f.Emit(Event{Note: "after"})
	if len(got) != len(want) || got[0] != "a" || got[3] != "d" {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFeedBoundsConsoles: a slow reader misses console output and nothing else.
func TestFeedBoundsConsoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		notes := 0
		f := New(func(e Event) {
			<-release
			if e.Note != "" {
				notes++
			}
		})
		line := make([]byte, 1<<16)
		for range 64 {
			f.Write(line)
			f.Emit(Event{Note: "note"})
		}
		if f.Dropped() < 32*len(line) {
			t.Errorf("%d bytes dropped", f.Dropped())
		}
		close(release)
		f.Close()
		if notes != 64 {
			t.Errorf("%d notes, want 64", notes)
		}
	})
}
