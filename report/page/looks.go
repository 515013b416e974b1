package page

import "github.com/ldlab/ldlab/matrix"

// looks are how a verdict looks, by a sign as well as by a colour.
var looks = map[matrix.Verdict]struct{ sign, kind string }{
	matrix.Enforced:     {"✓", "good"},
	matrix.Shadowed:     {"✓", "good"},
	matrix.Open:         {"○", "open"},
	matrix.OpenGap:      {"△", "gap"},
	matrix.GapClosed:    {"▲", "gap"},
	matrix.Conforms:     {"✓", "good"},
	matrix.Unavailable:  {"–", "none"},
	matrix.NotPlanned:   {"·", "none"},
	matrix.Leak:         {"✗", "bad"},
	matrix.Overblocked:  {"✗", "bad"},
	matrix.Deviates:     {"✗", "bad"},
	matrix.NotLocked:    {"?", "doubt"},
	matrix.Unattributed: {"?", "doubt"},
	matrix.Unproven:     {"?", "doubt"},
	matrix.Lost:         {"!", "lost"},
	matrix.NotRun:       {"…", "lost"},
	matrix.Known:        {"≈", "known"},
	matrix.Flaky:        {"±", "doubt"},
}

// Kind is the look of a cell that has the verdict.
func Kind(v matrix.Verdict) string { return looks[v].kind }
