package results

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ldlab/ldlab/matrix"
)

// Survey is Load for reports, which only read: it cuts texts (see keeper), and what is
// wrong with the file is in Problems, one line each, while the rest is read all the
// same. It is an error if there is no header.
func Survey(path string) (*Set, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, k := &Set{}, keeper{texts: map[string]string{}}
	s.Header, err = Scan(f, func(l Line, r matrix.Result, err error) error {
		var corrupt *CorruptError
		switch {
		case errors.As(err, &corrupt) && corrupt.Cut:
			s.Cut = true
		case err != nil:
			s.Problems = append(s.Problems, fmt.Sprintf("line %d: %v; %s", l.Number, errors.Unwrap(err), LeftOut(err)))
		default:
			for _, odd := range Odd(&r) {
				s.Problems = append(s.Problems, fmt.Sprintf("line %d: guest %.200s: %s", l.Number, r.ID(), odd))
			}
			if over := k.keep(&r); over != "" {
				s.Problems = append(s.Problems, fmt.Sprintf("line %d: guest %.200s has %s; it is left out", l.Number, r.ID(), over))
				return nil
			}
			s.add(r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if odd := OddStart(s.Header, time.Now()); odd != "" {
		s.Problems = append(s.Problems, odd)
	}
	return s, nil
}

// Odd lists what cannot be in a result, a line for each kind: an outcome that this lab
// does not know, a probe that is there twice, times that run backwards.
func Odd(r *matrix.Result) (list []string) {
	has := map[string]bool{}
	var twice, outcome, clock string
	for _, m := range r.Machines {
		for _, o := range m.Observations {
			if has[o.Probe] && twice == "" {
				twice = fmt.Sprintf("probe %.80q is there twice, which proves nothing", o.Probe)
			}
			has[o.Probe] = true
			if !slices.Contains(matrix.Outcomes, o.Outcome) && outcome == "" {
				outcome = fmt.Sprintf("probe %.80q has the unknown outcome %.80q, which proves nothing", o.Probe, o.Outcome)
			}
			if (o.Duration < 0 || o.StartNS < 0) && clock == "" {
				clock = fmt.Sprintf("probe %.80q began after %d ns and took %d ns", o.Probe, o.StartNS, o.Duration)
			}
		}
		before := int64(0)
		for _, p := range m.Timing {
			if p.MS < before && clock == "" {
				clock = fmt.Sprintf("%.80q after %d ms, and before that %d ms", p.Name, p.MS, before)
			}
			before = max(before, p.MS)
		}
	}
	if clock != "" {
		clock = "the clock of its machine went backwards: " + clock + "; its times mean nothing"
	}
	return slices.DeleteFunc([]string{twice, outcome, clock}, func(s string) bool { return s == "" })
}

// OddStart describes a start time that cannot be right. It is empty if the time can be
// right or is missing.
func OddStart(h matrix.Header, now time.Time) string {
	if t, err := time.Parse(time.RFC3339, h.Started); h.Started != "" && err != nil || t.Sub(now) > 24*time.Hour {
		return fmt.Sprintf("it began at %.40q, which cannot be: its machine's clock is wrong", h.Started)
	}
	return ""
}
