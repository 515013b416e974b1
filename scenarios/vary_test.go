package scenarios

import (
	"context"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
)

// TestAgain: a repetition that is done although the reason is locked is named with
// its number, whatever came before and comes later.
func TestAgain(t *testing.T) {
	denied := Report{Outcome: Denied, Call: "act = EPERM", Effect: Nothing}
	allowed := Report{Outcome: Allowed, Call: "act = ok", Effect: Happened}
	empty := Report{Outcome: Allowed, Call: "act = ok", Effect: Nothing}
	late := Report{Outcome: Denied, Call: "act = EPERM", Effect: Happened}
	busy := Report{Outcome: Failed, Call: "act = EBUSY"}
	locked := lockdown.Setting{Level: lockdown.Integrity, Via: lockdown.Runtime}
	for name, tt := range map[string]struct {
		setting lockdown.Setting
		other   map[int]Report // by repetition, from 1
		rest    Report
		outcome Outcome
		effect  Effect
		number  string
	}{
		"denied":                           {locked, nil, denied, Denied, Nothing, ""},
		"allowed once, then denied":        {locked, map[int]Report{1: allowed}, denied, Allowed, Happened, "1"},
		"allowed the second time":          {locked, map[int]Report{2: allowed}, denied, Allowed, Happened, "2"},
		"allowed the hundredth time":       {locked, map[int]Report{100: allowed}, denied, Allowed, Happened, "100"},
		"always allowed":                   {locked, nil, allowed, Allowed, Happened, "1"},
		"denied, and it happened":          {locked, map[int]Report{3: late}, denied, Denied, Happened, "3"},
		"failed, then allowed":             {locked, map[int]Report{2: busy, 4: allowed}, denied, Allowed, Happened, "4"},
		"failed":                           {locked, map[int]Report{2: busy}, denied, Failed, "", "2"},
		"allowed without effect, then not": {locked, map[int]Report{1: empty, 2: allowed}, denied, Allowed, Happened, "2"},
		"allowed without effect":           {locked, map[int]Report{1: empty}, denied, Allowed, Nothing, "1"},
		"control":                          {lockdown.Setting{}, nil, allowed, Allowed, Happened, ""},
		"control, only once":               {lockdown.Setting{}, map[int]Report{1: allowed}, busy, Failed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			row := Row{ID: "a/b", Probe: Probe{Claim: Claim{Reason: "kexec"}, Act: Act{Do: func(context.Context, Env) Report {
				n++
				if r, ok := tt.other[n]; ok {
					return r
				}
				return tt.rest
			}}}}
			r := row.again(t.Context(), Env{Setting: tt.setting})
			_, number, _ := strings.Cut(r.Call, " (repetition ")
			if r.Outcome != tt.outcome || r.Effect != tt.effect || strings.TrimSuffix(number, ")") != tt.number {
				t.Errorf("%+v after %d, want %s %s %s", r, n, tt.outcome, tt.effect, tt.number)
			}
		})
	}
}
