package steps

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestLogLost: a look at the log that failed, or that the kernel or the lab cut, is
// told apart from a log without a line.
func TestLogLost(t *testing.T) {
	const denial = "5,1,1,-;Lockdown: me: x is restricted\n"
	many := func(n int, record string) (list []any) {
		for range n {
			list = append(list, record)
		}
		return list
	}
	for _, tc := range []struct {
		name   string
		before []any // records, and errors of read(2), before the first step
		log    []any // of the step
		lines  int
		lost   bool
	}{
		{"nothing", nil, nil, 0, false},
		{"a denial", nil, []any{denial}, 1, false},
		{"of user space", nil, []any{"12,1,1,-;Lockdown: me: x is restricted\n"}, 0, false},
		{"interrupted", nil, []any{unix.EINTR, denial}, 1, false},
		{"overwritten", nil, []any{unix.EPIPE, denial}, 1, true},
		{"overwritten before", []any{unix.EPIPE}, []any{denial}, 1, false},
		{"no log", nil, []any{unix.EINVAL}, 0, true},
		{"many", nil, many(maxLines, "6,1,1,-;x\n"), 0, false},
		{"too many", nil, many(maxLines+1, "6,1,1,-;x\n"), 0, true},
		{"long", nil, []any{"6,1,1,-;" + strings.Repeat("x", maxLine+1)}, 0, true},
		{"below the limit", many(limitBurst-1, denial), nil, 0, false},
		{"at the limit", many(limitBurst-1, denial), []any{denial}, 1, true},
		{"at another's limit", many(limitBurst, "5,1,1,-;Lockdown: you: x is restricted\n"), nil, 0, true},
	} {
		records := tc.before
		w := &word{comm: "me", fd: -1, seen: map[observe.Count]int{}, next: func(b []byte) (int, error) {
			if len(records) == 0 {
				return 0, unix.EAGAIN
			}
			r := records[0]
			records = records[1:]
			if err, ok := r.(unix.Errno); ok {
				return 0, err
			}
			return copy(b, fmt.Sprint(r)), nil
		}}
		w.of(&observe.Step{})
		records = tc.log
		var s observe.Step
		if w.of(&s); s.Lines != tc.lines || s.LogLost != tc.lost {
			t.Errorf("%s: %d lines, lost %v, want %d and %v", tc.name, s.Lines, s.LogLost, tc.lines, tc.lost)
		}
	}
	var s observe.Step
	if (&word{comm: "me", log: -1, fd: -1}).of(&s); !s.LogLost {
		t.Error("a log that cannot be opened")
	}
}
