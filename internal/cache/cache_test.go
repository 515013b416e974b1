package cache

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const imageName = "initramfs-x86_64-0123456789abcdef.cpio"

var image = ID{Initramfs, imageName}

// open returns an empty cache, and its notes.
func open(t *testing.T) (*Cache, *notes) {
	t.Helper()
	var n notes
	c, err := Open(filepath.Join(t.TempDir(), "cache"), n.add)
	if err != nil {
		t.Fatal(err)
	}
	return c, &n
}

type notes struct {
	sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.Lock()
	defer n.Unlock()
	n.lines = append(n.lines, line)
}

// writes is a Make that writes a file.
func writes(text string) func(context.Context, string) error {
	return func(_ context.Context, to string) error { return os.WriteFile(to, []byte(text), 0o644) }
}

func never(context.Context, string) error { return errors.New("it was made a second time") }

// get makes an entry, or finds it.
func get(t *testing.T, c *Cache, r Recipe) (*Lease, bool) {
	t.Helper()
	l, cached, err := c.Get(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, cached
}

func TestMadeOnce(t *testing.T) {
	c, n := open(t)
	first, cached := get(t, c, Recipe{ID: image, Make: writes("x")})
	if f, err := CheckFile(first.Path); cached || err != nil || f.Size != 1 || f.SHA256 != Sum([]byte("x")) || first.File != f {
		t.Errorf("first: cached %v, %+v, %v", cached, f, err)
	}
	again, cached := get(t, c, Recipe{ID: image, Make: never})
	if !cached || again.Path != first.Path || again.File != first.File || filepath.Base(again.Path) != imageName || len(n.lines) > 0 {
		t.Errorf("again: cached %v, %s; %q", cached, again.Path, n.lines)
	}
	if left, _ := os.ReadDir(filepath.Join(c.Dir(), "tmp")); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestDamagedIsMadeAgain(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"one byte":    func(f string) error { return os.WriteFile(f, []byte("gool"), 0o644) },
		"truncated":   func(f string) error { return os.Truncate(f, 2) },
		"empty":       func(f string) error { return os.Truncate(f, 0) },
		"no checksum": func(f string) error { return os.Remove(f + ".sum") },
		"bad sum":     func(f string) error { return os.WriteFile(f+".sum", []byte("?"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			c, n := open(t)
			l, _ := get(t, c, Recipe{ID: image, Make: writes("good")})
			l.Close()
			if err := damage(l.Path); err != nil {
				t.Fatal(err)
			}
			l, cached := get(t, c, Recipe{ID: image, Make: writes("good")})
			if b, _ := os.ReadFile(l.Path); string(b) != "good" || cached {
				t.Errorf("%q, cached %v", b, cached)
			}
			if len(n.lines) != 1 || !strings.HasPrefix(n.lines[0], "cache entry initramfs/"+imageName+": it has ") || strings.Contains(n.lines[0], "\n") {
				t.Errorf("notes %q", n.lines)
			}
		})
	}
}

func TestDirectoryEntry(t *testing.T) {
	c, n := open(t)
	kernel := ID{Kernels, "bitmap-arm64-0123456789abcdef"}
	check := func(path string) error { _, err := CheckSums(path, "image"); return err }
	r := Recipe{ID: kernel, Check: check, Make: func(_ context.Context, to string) error {
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		return errors.Join(os.WriteFile(to+"/image", []byte("elf"), 0o644), WriteSums(to))
	}}
	l, _ := get(t, c, r)
	l.Close()
	r.Make, l = never, nil
	if _, cached := get(t, c, r); !cached {
		t.Error("not cached")
	}
	sums, err := CheckSums(c.Path(kernel), "image")
	if err != nil || sums["image"] != Sum([]byte("elf")) {
		t.Errorf("%v, %v", sums, err)
	}
	for name, damage := range map[string]func(dir string) error{
		"lacks config":              nil,
		"image has changed since":   func(d string) error { return os.WriteFile(d+"/image", []byte("elv"), 0o644) },
		"no such file or directory": func(d string) error { return os.Remove(d + "/image") },
		"SHA256SUMS is damaged":     func(d string) error { return os.WriteFile(d+"/SHA256SUMS", []byte("12  image\n"), 0o644) },
		"open ":                     func(d string) error { return os.Remove(d + "/SHA256SUMS") },
	} {
		dir, required := t.TempDir(), "image"
		if err := errors.Join(os.WriteFile(dir+"/image", []byte("elf"), 0o644), WriteSums(dir)); err != nil {
			t.Fatal(err)
		}
		if damage == nil {
			required = "config"
		} else if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := CheckSums(dir, required); err == nil || !strings.Contains(err.Error(), name) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := CheckSums("/no/such"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no entry: %v", err)
	}
	if len(n.lines) > 0 {
		t.Errorf("notes %q", n.lines)
	}
}

func TestFailedLeavesNothing(t *testing.T) {
	c, _ := open(t)
	want := errors.New("no space left on device")
	_, _, err := c.Get(t.Context(), Recipe{ID: image, Make: func(_ context.Context, to string) error {
		_ = os.WriteFile(to, []byte("half"), 0o644)
		return want
	}})
	if !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	list, err := c.List(t.Context())
	if left, _ := filepath.Glob(c.Dir() + "/tmp/*"); err != nil || len(left) > 0 || len(list.Entries) > 0 {
		t.Errorf("left %q, %v, %v", left, list.Entries, err)
	}
}

func TestManyMakeItOnce(t *testing.T) {
	c, _ := open(t)
	var made atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			l, _, err := c.Get(t.Context(), Recipe{ID: image, Make: func(ctx context.Context, to string) error {
				made.Add(1)
				return writes("x")(ctx, to)
			}})
			if err != nil {
				t.Error(err)
			}
			l.Close()
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

func TestWaitingEndsWithContext(t *testing.T) {
	c, _ := open(t)
	cause := errors.New("the user pressed Ctrl-C")
	_, _, err := c.Get(t.Context(), Recipe{ID: image, Make: func(context.Context, string) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		_, _, err := c.Get(ctx, Recipe{ID: image, Make: never})
		return err
	}})
	if !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

// TestDamagedInUseIsMadeAgain: users of a damaged entry do not keep others from
// replacing it.
func TestDamagedInUseIsMadeAgain(t *testing.T) {
	c, _ := open(t)
	l, _ := get(t, c, Recipe{ID: image, Make: writes("good")})
	l.Hold()
	if err := os.Truncate(l.Path, 1); err != nil {
		t.Fatal(err)
	}
	if l, cached := get(t, c, Recipe{ID: image, Make: writes("good")}); cached || l.File.Size != 4 {
		t.Errorf("cached %v, %+v", cached, l.File)
	}
}

func TestWaitingIsNoted(t *testing.T) {
	defer func(old time.Duration) { noticeAfter = old }(noticeAfter)
	noticeAfter = 0
	c, _ := open(t)
	l, _ := get(t, c, Recipe{ID: image, Make: writes("x")})
	noted := make(chan string, 1)
	second, err := Open(c.Dir(), func(line string) {
		l.Close() // only now can the second get its lock
		noted <- line
	})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := second.Lock(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
	if got, want := <-noted, "waiting for another ldlab that uses initramfs/"+imageName; got != want {
		t.Errorf("noted %q", got)
	}
}

// TestRemovedWhileWaiting: whoever waits for the lock of an entry that is
// removed gets a lock that others see.
func TestRemovedWhileWaiting(t *testing.T) {
	c, _ := open(t)
	l, _ := get(t, c, Recipe{ID: image, Make: writes("x")})
	next := make(chan *Lease)
	go func() {
		l, err := c.Lock(t.Context(), image)
		if err != nil {
			t.Error(err)
		}
		next <- l
	}()
	if err := os.Remove(c.lockPath(image)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	second := <-next
	defer second.Close()
	if lock, ok := c.tryLock(image); ok {
		lock.Close()
		t.Error("two have the lock")
	}
}

func TestUse(t *testing.T) {
	c, _ := open(t)
	if _, err := c.Use(t.Context(), image); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no entry: %v", err)
	}
	if _, err := os.Stat(c.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to look made a directory: %v", err)
	}
	for _, id := range []ID{{"nonsense", "x"}, {Kernels, "../x"}, {Kernels, "a/b"}, {Kernels, ".x"}, {Sources, "a/b/c"}, {Sources, "a/.b"}, {Kernels, ""}} {
		if _, err := c.Use(t.Context(), id); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", id, err)
		}
		if _, err := c.Lock(t.Context(), id); err == nil {
			t.Errorf("%s: locked", id)
		}
	}
}

func TestCacheThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Open(filepath.Join(file, "cache"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Get(t.Context(), Recipe{ID: image, Make: never}); err == nil || !strings.HasPrefix(err.Error(), "open cache: ") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("LDLAB_CACHE", "/somewhere/../else")
	if dir, err := DefaultDir(); err != nil || dir != "/else" {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("LDLAB_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/user")
	if c, err := Open("", nil); err != nil || c.Dir() != "/user/ldlab" {
		t.Errorf("%v, %v", c, err)
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	if _, err := Open("", nil); err == nil || !strings.Contains(err.Error(), "set LDLAB_CACHE") {
		t.Errorf("got %v", err)
	}
}
