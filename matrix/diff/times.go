package diff

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ldlab/ldlab/matrix"
)

// A guest or a probe is slower if the median of its times has become at least so many
// times as long, and at least so much longer. Both are needed: two runs of the same
// kernel, one of them on a busy machine, had guests of 1.8 times the time, and probes of
// a few milliseconds with six times theirs. The median of
// fewer times than leastTimes is too uncertain.
const (
	GuestRatio = 2.0
	GuestFloor = 2 * time.Second
	ProbeRatio = 3.0
	ProbeFloor = 250 * time.Millisecond
	leastTimes = 3
)

// A Slowdown is a probe, or the guests of a table, that became slower.
type Slowdown struct {
	What        string        // "guests that boot", "guests that are forked", or a probe
	Before, Now time.Duration // medians
	Of          int           // settings that both have and that were compared
}

// compareTimes compares times that were measured under the same conditions: the same
// setting, machine and verdict. why tells why none were.
func compareTimes(b, n matrix.Table, sameProbes bool) (list []Slowdown, why string) {
	var pairs [][2]int // columns
	other := ""
	for i, now := range n.Columns {
		j := slices.IndexFunc(b.Columns, func(c matrix.Column) bool { return c.Setting.String() == now.Setting.String() })
		if j < 0 || !now.End.Well() || !b.Columns[j].End.Well() || now.Tries != 1 || b.Columns[j].Tries != 1 {
			continue
		}
		if before := b.Columns[j]; !before.Host.Same(now.Host) || before.Host.Machine != now.Host.Machine {
			other = fmt.Sprintf("%s, before %s", machine(now.Host), machine(before.Host))
			continue
		}
		pairs = append(pairs, [2]int{j, i})
	}
	switch {
	case len(pairs) < leastTimes && other != "":
		return nil, "the machines differ: " + other
	case len(pairs) < leastTimes:
		return nil, fmt.Sprintf("both have fewer than %d guests that ended well at the first try and have the same setting", leastTimes)
	}
	if sameProbes {
		list = append(list, guestTimes(b, n, pairs, false)...)
		list = append(list, guestTimes(b, n, pairs, true)...)
	}
	return append(list, probeTimes(b, n, pairs)...), ""
}

func machine(h matrix.Host) string {
	return fmt.Sprintf("%s: %s, %s, CPU %s", cmp.Or(h.Machine, "a machine that is not known"), h.QEMU, h.Accel, h.CPU)
}

// guestTimes compares how long guests took that boot, or that are forked.
func guestTimes(b, n matrix.Table, pairs [][2]int, forked bool) []Slowdown {
	var s samples
	for _, p := range pairs {
		before, now := b.Columns[p[0]], n.Columns[p[1]]
		if before.Forked == forked && now.Forked == forked && len(before.Timing) > 0 && len(now.Timing) > 0 {
			last := func(c matrix.Column) time.Duration {
				return time.Duration(c.Timing[len(c.Timing)-1].MS) * time.Millisecond
			}
			s.add(last(before), last(now))
		}
	}
	what := "guests that boot"
	if forked {
		what = "guests that are forked"
	}
	return s.slower(what, GuestRatio, GuestFloor)
}

// probeTimes compares how long each probe took where it had the same verdict.
func probeTimes(b, n matrix.Table, pairs [][2]int) (list []Slowdown) {
	rows := map[string]matrix.TableRow{}
	for _, r := range b.Rows {
		rows[r.Probe] = r
	}
	for _, r := range n.Rows {
		old, ok := rows[r.Probe]
		if !ok {
			continue
		}
		var s samples
		for _, p := range pairs {
			before, now := old.Cells[p[0]], r.Cells[p[1]]
			if before.Verdict == now.Verdict && before.Observed != nil && now.Observed != nil {
				s.add(time.Duration(before.Observed.Duration), time.Duration(now.Observed.Duration))
			}
		}
		list = append(list, s.slower(r.Probe, ProbeRatio, ProbeFloor)...)
	}
	return list
}

// samples are times of the same thing, before and now.
type samples struct{ before, now []time.Duration }

func (s *samples) add(before, now time.Duration) {
	s.before, s.now = append(s.before, before), append(s.now, now)
}

func (s samples) slower(what string, ratio float64, floor time.Duration) []Slowdown {
	if len(s.now) < leastTimes {
		return nil
	}
	before, now := median(s.before), median(s.now)
	if now-before < floor || float64(now) < ratio*float64(before) {
		return nil
	}
	return []Slowdown{{what, before, now, len(s.now)}}
}

// median is the middle one of an odd number of times, and the lesser of the two of an
// even number.
func median(list []time.Duration) time.Duration {
	list = slices.SortedFunc(slices.Values(list), cmp.Compare[time.Duration])
	return list[(len(list)-1)/2]
}
