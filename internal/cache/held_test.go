package cache

import (
	"context"
	"os"
	"testing"
)

// Whoever waits for an entry that is being made gets it when it is made, though
// its maker keeps a lease.
func TestMakerKeepsLease(t *testing.T) {
	c, _ := open(t)
	making, made := make(chan struct{}), make(chan struct{})
	first := Recipe{ID: image, Make: func(ctx context.Context, to string) error {
		close(making)
		<-made
		return writes("x")(ctx, to)
	}}
	go func() {
		l, _, err := c.Get(context.Background(), first)
		if err != nil {
			t.Error(err)
		}
		l.Hold()
	}()
	<-making
	waits := make(chan struct{})
	second, err := Open(c.Dir(), func(string) { close(waits) }) // noted after noticeAfter
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		l, cached, err := second.Get(t.Context(), Recipe{ID: image, Make: never})
		if err == nil && !cached {
			t.Error("it was made a second time")
		}
		l.Close()
		got <- err
	}()
	<-waits
	close(made)
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// An entry that this process holds, and that was damaged or removed, is made
// again.
func TestHeldAndDamaged(t *testing.T) {
	c, _ := open(t)
	for _, harm := range []func(string) error{os.Remove, func(path string) error { return os.WriteFile(path, []byte("y"), 0o644) }} {
		l, _, err := c.Get(t.Context(), Recipe{ID: image, Make: writes("x")})
		if err != nil {
			t.Fatal(err)
		}
		l.Hold()
		if err := harm(l.Path); err != nil {
			t.Fatal(err)
		}
	}
	if _, cached := get(t, c, Recipe{ID: image, Make: writes("x")}); cached {
		t.Error("a damaged entry was used")
	}
}
