package initramfs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/ldlab/ldlab/internal/cache"
	"github.com/ldlab/ldlab/internal/testutil"
)

// prebuiltGuest is a directory with the guest program of Config{}, which a fake
// toolchain has made.
func prebuiltGuest(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PATH")
	t.Setenv("PATH", fakeGo(t, answers+`for last; do [ "$prev" = -o ] && echo prebuilt >"$last"; prev=$last; done`))
	defer t.Setenv("PATH", path)
	p, err := guestProgram(testArch, (&Config{}).tags())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := Config{Progress: func(string) {}}
	f, err := (&store{cache: opened, progress: c.Progress}).prebuild(t.Context(), c, p, dir)
	if err != nil {
		t.Fatal(err)
	}
	writeIndex(t, dir, f)
	return dir
}

func writeIndex(t *testing.T, dir string, list ...prebuilt) {
	t.Helper()
	b, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, prebuiltIndex), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func readIndex(t *testing.T, dir string) (list []prebuilt) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, prebuiltIndex))
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPrebuiltNeedsNoGo: the image is the one that the toolchain would make, and its
// name in the cache, too.
func TestPrebuiltNeedsNoGo(t *testing.T) {
	dir := prebuiltGuest(t)
	t.Setenv("PATH", "/nowhere")
	c := Config{Arch: testArch, Cache: t.TempDir(), Prebuilt: dir}
	img, err := Build(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(img.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got := testutil.Archives(t, b)[0].Content("init"); got != "prebuilt\n" {
		t.Errorf("/init is %q", got)
	}
	t.Setenv("PATH", fakeGo(t, answers+`for last; do [ "$prev" = -o ] && echo prebuilt >"$last"; prev=$last; done`))
	c.Prebuilt = ""
	if again, err := Build(t.Context(), c); err != nil || !again.Cached || again.Path != img.Path {
		t.Errorf("with the toolchain: %+v, %v", again, err)
	}
}

// TestPrebuiltIsChecked: a program of other sources is not used, and neither is one that
// is damaged.
func TestPrebuiltIsChecked(t *testing.T) {
	compress := func(text string) []byte {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return z.EncodeAll([]byte(text), nil)
	}
	for name, tt := range map[string]struct {
		change func(t *testing.T, dir string, f prebuilt)
		want   string
	}{
		"other sources": {func(t *testing.T, dir string, f prebuilt) { f.File = "guest-x.zst"; writeIndex(t, dir, f) }, "no Go toolchain in PATH, and "},
		"no index":      {func(t *testing.T, dir string, f prebuilt) { os.Remove(filepath.Join(dir, prebuiltIndex)) }, "has no program of this version of ldlab"},
		"bad index": {func(t *testing.T, dir string, f prebuilt) {
			os.WriteFile(filepath.Join(dir, prebuiltIndex), []byte("{"), 0o644)
		}, "read prebuilt programs"},
		"no file": {func(t *testing.T, dir string, f prebuilt) { os.Remove(filepath.Join(dir, f.File)) }, "no such file"},
		"other text": {func(t *testing.T, dir string, f prebuilt) {
			os.WriteFile(filepath.Join(dir, f.File), compress("prebuilT\n"), 0o644)
		}, "it is not the program of the index"},
		"longer": {func(t *testing.T, dir string, f prebuilt) {
			os.WriteFile(filepath.Join(dir, f.File), compress("prebuilt\n"+strings.Repeat("x", 1<<20)), 0o644)
		}, "it is not the program of the index"},
		"cut":     {func(t *testing.T, dir string, f prebuilt) { os.Truncate(filepath.Join(dir, f.File), 12) }, "unpack prebuilt program"},
		"too big": {func(t *testing.T, dir string, f prebuilt) { f.Size = maxPrebuilt + 1; writeIndex(t, dir, f) }, "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := prebuiltGuest(t)
			tt.change(t, dir, readIndex(t, dir)[0])
			t.Setenv("PATH", "/nowhere")
			_, err := Build(t.Context(), Config{Arch: testArch, Cache: t.TempDir(), Prebuilt: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
