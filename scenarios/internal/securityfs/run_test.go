package securityfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestRun runs on ordinary files: each write goes to the descriptor's position.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file, none, full := filepath.Join(dir, "f"), filepath.Join(dir, "none"), "/dev/full"
	sequence := []lockdown.Op{
		{Call: "write", File: file, Data: "one two"},
		{Call: "write", File: file, Data: "ONE"},
		{Call: "write", File: file, Data: "!", Same: true},
		{Call: "write", File: file, Data: "?", Same: true, At: 6},
		{Call: "read", File: file, Same: true},
		{Call: "read", File: file},
		{Call: "read", File: file, Same: true},
		{Call: "read", File: file, Same: true, At: 4},
		{Call: "write", File: full, Data: "x"},
		{Call: "write", File: none, Data: "x"},
		{Call: "read", File: none},
		{Call: "write", File: file, Data: "a\x00\xff", Group: 1},
		{Call: "write", File: file, Data: "B", Same: true, Group: 1},
		{Call: "read", File: file, At: 6, Group: 1},
		{Call: "write", File: full, Data: "x", Group: 1},
		{Call: "read", File: none, Group: 1},
		{Call: "read", File: file, Group: 2},
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(sequence)
	want[4].Data = "tw?" // after the "!"
	want[5].Data, want[7].Data = "ONE!tw?", "tw?"
	want[8].Err, want[9].Err, want[10].Err = "ENOSPC", "ENOENT", "ENOENT"
	want[13].Data, want[14].Err, want[15].Err = "?", "ENOSPC", "ENOENT"
	want[16].Data = "a\x00\xffBtw?"
	n := 0
	for got := range Run(slices.Clone(sequence)) {
		if got != want[n] {
			t.Errorf("operation %d: %s, want %s", n+1, got, want[n])
		}
		n++
	}
	if n != len(sequence) {
		t.Errorf("%d of %d operations returned", n, len(sequence))
	}
	for range Run(sequence) {
		break // no further operation runs after the loop ends
	}
}

// TestRunAtOnce: concurrent writes lose nothing, and no thread starts before
// its file is open.
func TestRunAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for range 50 {
		if err := os.WriteFile(file, []byte(strings.Repeat(".", 8)), 0o600); err != nil {
			t.Fatal(err)
		}
		var group []lockdown.Op
		for i := range lockdown.MaxWriters {
			group = append(group,
				lockdown.Op{Call: "write", File: file, Data: string(rune('a' + i)), At: int64(1 + i), Group: 7},
				lockdown.Op{Call: "read", File: file, At: int64(1 + i), Group: 7, Same: true})
		}
		for s := range Run(group) {
			if own := string(rune('a' + s.At - 1)); s.Err != "" || !strings.HasPrefix(s.Data, own) {
				t.Fatalf("%s: a thread does not read its own write", s)
			}
		}
		if got, _ := os.ReadFile(file); string(got) != ".abcd..." {
			t.Fatalf("file has %q", got)
		}
	}
}

func TestReadIsBounded(t *testing.T) {
	for s := range Run([]lockdown.Op{{Call: "read", File: "/dev/zero"}}) {
		if len(s.Data) != observe.MaxAnswer || s.Err != "" {
			t.Errorf("read %d bytes, %q", len(s.Data), s.Err)
		}
	}
}
