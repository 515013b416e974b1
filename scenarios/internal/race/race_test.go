package race

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// TestRun runs on ordinary files, of which nothing is ever denied: whoever wrote
// seems to have lost his lock, and a watcher sees no half of one.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	one := lockdown.RaceWriter{File: file, Data: "integrity", Act: "/dev/null"}
	for name, tc := range map[string]struct {
		race           lockdown.Race
		rounds, broken int
		example, err   string
	}{
		"two writers":         {race: lockdown.Race{Writers: []lockdown.RaceWriter{one, one}, Rounds: 100, Enough: 3}, rounds: 3, broken: 3, example: `round 1: write("integrity") = 9, then open("/dev/null") is allowed`},
		"a watcher":           {race: lockdown.Race{Writers: []lockdown.RaceWriter{one}, Watch: []string{"/dev/null", file}, Rounds: 100}, rounds: 100},
		"a directory":         {race: lockdown.Race{Writers: []lockdown.RaceWriter{one}, Make: filepath.Join(dir, "d"), Rounds: 100}, rounds: 100},
		"no file":             {race: lockdown.Race{Writers: []lockdown.RaceWriter{{File: dir + "/none"}}, Watch: []string{file, file}, Rounds: 100}, err: "none"},
		"writes that fail":    {race: lockdown.Race{Writers: []lockdown.RaceWriter{{File: "/dev/full", Data: "x", Act: "/dev/null"}, one}, Rounds: 100}, rounds: 1, err: `write "x" to /dev/full: no space left`},
		"no room for another": {race: lockdown.Race{Writers: []lockdown.RaceWriter{one}, Make: dir, Rounds: 100}, err: "mkdir"},
	} {
		if err := lockdown.CheckRace(tc.race); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		word := uint32(1)
		got := run(tc.race, func() (state, error) { return state{&word}, nil })
		if strings.Contains(got.Error, "processor") {
			t.Skip(got.Error)
		}
		if got.Rounds != tc.rounds || got.Broken != tc.broken || !strings.HasPrefix(got.Example, tc.example) || (tc.err == "") != (got.Error == "") || !strings.Contains(got.Error, tc.err) || word != 0 {
			t.Errorf("%s: %+v, state %d", name, got, word)
		}
	}
	if got := run(lockdown.Race{}, func() (state, error) { return state{}, errors.New("no state") }); got.Error != "no state" {
		t.Errorf("got %+v", got)
	}
}

func TestLikely(t *testing.T) {
	for v, want := range map[uint32]bool{
		20: true, 21: true, 1<<21 - 2: true, 1<<22 - 2: true, 1<<22 - 1: true,
		0: false, 1: false, 0xffff0000: false, 0xffff8000: false, ^uint32(0): false, 1 << 21: false, 0x3ffff0: false,
	} {
		if likely(v) != want {
			t.Errorf("%#x: %v", v, !want)
		}
	}
}

// Rounds leave no garbage; see opens.
func TestRoundsDoNotAllocate(t *testing.T) {
	path := cString("/dev/null")
	if n := testing.AllocsPerRun(100, func() { opens(path) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	word := uint32(1)
	of := func(rounds int) float64 {
		r := lockdown.Race{Writers: []lockdown.RaceWriter{{File: file, Data: "x", Act: "/dev/null"}}, Watch: []string{"/dev/null", file}, Rounds: rounds}
		return testing.AllocsPerRun(1, func() { run(r, func() (state, error) { return state{&word}, nil }) })
	}
	if few, many := of(10), of(1000); many > few+100 {
		t.Errorf("%v allocations in 10 rounds, %v in 1000", few, many)
	}
}
