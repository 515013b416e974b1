package lockdown

import "fmt"

// A Race is a round that the guest repeats: everything is open, one or two writers
// lock something at once, each on a processor of its own, and then what they locked
// must be denied. Between rounds the guest overwrites the kernel's state through
// memory that it mapped before, because a lock cannot be undone.
type Race struct {
	Writers []RaceWriter // one or two
	Watch   []string     // with one writer: two files that another processor opens in turn meanwhile; see RaceReport.Broken
	Make    string       // with one writer, instead of Watch: a directory that another processor makes meanwhile, and removes afterwards
	Rounds  int          // at most
	Enough  int          // broken rounds after which the guest stops; 0: it does not
}

// A RaceWriter writes a whole command to one of lockdown's files.
type RaceWriter struct {
	File string
	Data string
	Act  string // a file whose open(2) is denied once the command is in force
}

// A RaceReport is what the rounds of a race showed.
type RaceReport struct {
	Rounds int
	First  int // rounds in which a writer was refused, so that the other one came first; with Watch: which saw a file before and after the write; with Make: in which the directory was refused
	// Broken are the rounds in which a writer was told that it locked something,
	// and the act was allowed afterwards. With Watch, they are those in which a
	// file was opened after the other one was denied: a lock that is in force at
	// once denies both from one moment on.
	Broken  int
	Example string // what happened in the first broken round
	NS      int64  // how long all rounds took
	Error   string // why there are no more rounds
}

// Bounds of a race.
const maxRounds = 1 << 24

// CheckRace reports why a race cannot run; nil if it can.
func CheckRace(r Race) error {
	switch {
	case len(r.Writers) < 1 || len(r.Writers) > 2:
		return fmt.Errorf("check race: %d writers", len(r.Writers))
	case len(r.Writers) == 2 && (len(r.Watch) > 0 || r.Make != ""), len(r.Writers) == 1 && (len(r.Watch) == 2) == (r.Make != ""):
		return fmt.Errorf("check race: %d writers, %d files to watch, and directory %q", len(r.Writers), len(r.Watch), r.Make)
	case r.Rounds < 1 || r.Rounds > maxRounds || r.Enough < 0:
		return fmt.Errorf("check race: %d rounds, or %d broken ones", r.Rounds, r.Enough)
	}
	return nil
}
