package initramfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func writes(text string) func(context.Context, string) error {
	return func(_ context.Context, to string) error { return os.WriteFile(to, []byte(text), 0o644) }
}

// testStore is a store whose progress lines can be read.
func testStore(t *testing.T) (store, *[]string) {
	var said []string
	return store{t.TempDir() + "/cache", func(s string) { said = append(said, s) }}, &said
}

func TestStoreMakesOnce(t *testing.T) {
	s, said := testStore(t)
	first, err := s.get(t.Context(), entry{name: "x", slow: "making x", make: writes("x")})
	if err != nil || first.Cached || first.Size != 1 || first.SHA256 != hashOf([]byte("x")) {
		t.Fatalf("first: %+v, %v", first, err)
	}
	again, err := s.get(t.Context(), entry{name: "x", slow: "making x", make: func(context.Context, string) error { return errors.New("made twice") }})
	if err != nil || !again.Cached || again.Path != first.Path || again.SHA256 != first.SHA256 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if len(*said) != 1 {
		t.Errorf("said %q", *said)
	}
}

func TestStoreMakesAgainWhatIsNotIntact(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"one byte":    func(f string) error { return os.WriteFile(f, []byte("gool"), 0o644) },
		"truncated":   func(f string) error { return os.Truncate(f, 2) },
		"empty":       func(f string) error { return os.Truncate(f, 0) },
		"no checksum": func(f string) error { return os.Remove(f + ".sum") },
		"bad sum":     func(f string) error { return os.WriteFile(f+".sum", []byte("?"), 0o644) },
	} {
		s, said := testStore(t)
		img, err := s.get(t.Context(), entry{name: "x", make: writes("good")})
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(img.Path); err != nil {
			t.Fatal(err)
		}
		img, err = s.get(t.Context(), entry{name: "x", make: writes("good")})
		if b, _ := os.ReadFile(img.Path); err != nil || string(b) != "good" || img.Cached {
			t.Errorf("%s: %q, %+v, %v", name, b, img, err)
		}
		if len(*said) != 1 || !strings.HasPrefix((*said)[0], "cache entry x: it has ") || strings.Contains((*said)[0], "\n") {
			t.Errorf("%s: said %q", name, *said)
		}
	}
}

func TestStoreKeepsNothingOfWhatFailed(t *testing.T) {
	s, _ := testStore(t)
	want := errors.New("no space left on device")
	_, err := s.get(t.Context(), entry{name: "x", make: func(_ context.Context, to string) error {
		_ = os.WriteFile(to, []byte("half"), 0o644)
		return want
	}})
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(s.dir + "/*"); len(left) != 1 || filepath.Base(left[0]) != ".x.lock" {
		t.Errorf("left %q, want the lock", left)
	}
}

func TestTwoRunsMakeItOnce(t *testing.T) {
	dir := t.TempDir()
	var made atomic.Int32
	var runs sync.WaitGroup
	for range 8 {
		runs.Go(func() {
			s := store{dir, func(string) {}}
			_, err := s.get(t.Context(), entry{name: "x", make: func(ctx context.Context, to string) error {
				made.Add(1)
				return writes("x")(ctx, to)
			}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestWaitForTheOtherRunCanBeCanceled(t *testing.T) {
	s, said := testStore(t)
	_, err := s.get(t.Context(), entry{name: "x", make: func(context.Context, string) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.get(ctx, entry{name: "x", make: writes("x")})
		return err
	}})
	if !errors.Is(err, context.Canceled) || len(*said) != 1 || (*said)[0] != "waiting for another run to build x" {
		t.Errorf("got %v, said %q", err, *said)
	}
}

func TestStoreThatCannotBe(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := store{file + "/cache", func(string) {}}.get(t.Context(), entry{name: "x", make: writes("x")})
	if err == nil || !strings.HasPrefix(err.Error(), "open cache: ") {
		t.Errorf("got %v", err)
	}
}
