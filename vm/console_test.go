package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func newTestLog(t *testing.T) (*log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), consoleFile)
	l, err := newLog(path)
	if err != nil {
		t.Fatal(err)
	}
	return l, path
}

func TestLogTail(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		n        int
		want     []string
		panicked string
	}{
		{name: "nothing", n: 5},
		{name: "open line", in: "a\r\nb", n: 5, want: []string{"a", "b"}},
		{name: "last of many", in: "a\nb\nc\n", n: 2, want: []string{"b", "c"}},
		{name: "none asked for", in: "a\n", n: -1},
		{name: "empty lines", in: "\n\n", n: 5, want: []string{"", ""}},
		{
			name: "first panic counts", n: 1, want: []string{"x"},
			in:       "Kernel panic - not syncing: a program's\n[    1.000000] Kernel panic - not syncing: one\n[    1.000001] Kernel panic - not syncing: two\nx\n",
			panicked: "[    1.000000] Kernel panic - not syncing: one",
		},
		{
			name: "panic with its caller after an open line", n: 0,
			in:       "prompt# [   11.000000][    T1] Kernel panic - not syncing: one\n",
			panicked: "prompt# [   11.000000][    T1] Kernel panic - not syncing: one",
		},
		{
			name: "panics of programs", n: 0,
			in: "Kernel panic - not syncing\n[x] Kernel panic - not syncing\n[1] Kernel panic - not syncing\n",
		},
		{
			name: "long line", in: strings.Repeat("x", 3*maxTailLine) + "\ny\n", n: 5,
			want: []string{strings.Repeat("x", maxTailLine), "y"},
		},
	} {
		// However the bytes are cut, the lines are the same.
		for _, size := range []int{1, 3, 1 << 20} {
			l, path := newTestLog(t)
			for chunk := range slices.Chunk([]byte(tt.in), size) {
				l.Write(chunk)
			}
			if got := l.lines(tt.n); !slices.Equal(got, tt.want) {
				t.Errorf("%s by %d: got %q, want %q", tt.name, size, got, tt.want)
			}
			if _, _, got := l.seen(); got != tt.panicked {
				t.Errorf("%s by %d: panic %q, want %q", tt.name, size, got, tt.panicked)
			}
			if err := l.close(); err != nil {
				t.Error(err)
			}
			if got, _ := os.ReadFile(path); string(got) != tt.in {
				t.Errorf("%s: file has %q", tt.name, got)
			}
		}
	}
}

func TestLogFlood(t *testing.T) {
	l, path := newTestLog(t)
	line := []byte(strings.Repeat("f", 4095) + "\n")
	for range maxLog/len(line) + 100 {
		l.Write(line)
	}
	fmt.Fprintf(l, "the end\n")
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < maxLog || len(got) > maxLog+100 {
		t.Errorf("file has %d bytes", len(got))
	}
	if n := bytes.Count(got, []byte("[ldlab: cut off")); n != 1 {
		t.Errorf("%d marks", n)
	}
	if tail := l.lines(1); !slices.Equal(tail, []string{"the end"}) {
		t.Errorf("tail %.40q", tail)
	}
}

// TestLogFullDisk: the console is drained even if it can't be kept.
func TestLogFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	l := &log{file: full}
	if n, err := l.Write([]byte("word\n")); n != 5 || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
	if got := l.lines(1); !slices.Equal(got, []string{"word"}) {
		t.Errorf("tail %q", got)
	}
	if err := l.close(); err == nil {
		t.Error("close does not tell")
	}
}

func TestDrain(t *testing.T) {
	l, _ := newTestLog(t)
	var live bytes.Buffer
	drain(iotest.OneByteReader(strings.NewReader("hello\nworld\n")), l, &live)
	if live.String() != "hello\nworld\n" {
		t.Errorf("live copy %q", &live)
	}
	if got := l.lines(9); !slices.Equal(got, []string{"hello", "world"}) {
		t.Errorf("tail %q", got)
	}
	l.close()
}
