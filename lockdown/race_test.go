package lockdown

import "testing"

func TestCheckRace(t *testing.T) {
	w := RaceWriter{File: LevelFile, Data: "integrity", Act: "/dev/mem"}
	two := []RaceWriter{w, w}
	for _, tc := range []struct {
		race Race
		ok   bool
	}{
		{Race{Writers: two, Rounds: 1}, true},
		{Race{Writers: two[:1], Watch: []string{"a", "b"}, Rounds: 1, Enough: 1}, true},
		{Race{Writers: two[:1], Make: "d", Rounds: 1}, true},
		{Race{Writers: two}, false},
		{Race{Writers: two, Rounds: maxRounds + 1}, false},
		{Race{Writers: two, Rounds: 1, Enough: -1}, false},
		{Race{Writers: two, Rounds: 1, Watch: []string{"a", "b"}}, false},
		{Race{Writers: two, Rounds: 1, Make: "d"}, false},
		{Race{Writers: two[:1], Rounds: 1}, false},
		{Race{Writers: two[:1], Rounds: 1, Watch: []string{"a"}}, false},
		{Race{Writers: two[:1], Rounds: 1, Watch: []string{"a", "b"}, Make: "d"}, false},
		{Race{Writers: append(two, w), Rounds: 1}, false},
		{Race{Rounds: 1}, false},
	} {
		if err := CheckRace(tc.race); (err == nil) != tc.ok {
			t.Errorf("%+v: %v", tc.race, err)
		}
	}
}
