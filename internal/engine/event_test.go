package engine

import (
	"sync"
	"testing"

	"github.com/ldlab/ldlab/matrix"
)

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
