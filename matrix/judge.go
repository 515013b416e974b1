package matrix

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Case is what one verdict hangs on.
type Case struct {
	Row      scenarios.Row
	Guest    Guest
	Config   map[string]bool        // nil: unknown
	Control  *scenarios.Observation // same probe, kernel and machine, nothing locked; nil: there is none
	Observed *scenarios.Observation // nil: the guest never reported it
	Loss     *Loss                  // why, where it did not
}

// Judge is the verdict table of the lab, and nothing else is.
func Judge(c Case) Judgment {
	if !c.Row.On(c.Guest.Arch) {
		return Judgment{Unavailable, strings.Join(c.Row.Only, " and ") + " only"}
	}
	o := c.Observed
	if o == nil {
		why := "no observation"
		if c.Loss != nil {
			why = c.Loss.Cause + ": " + c.Loss.Detail
		}
		return Judgment{Lost, why}
	}
	if o.Outcome == scenarios.Unavailable {
		return judgeAbsence(c)
	}
	if c.Row.Expect == scenarios.Conforming {
		return judgeAnswers(c)
	}
	locked := c.Row.Expect == scenarios.Gated && c.Guest.Setting.Locks(c.Row.Reason)
	if !locked && o.Outcome == scenarios.Denied && attributed(c.Row, o) {
		// Lockdown itself says that it refused: no control is needed to know
		// that the lock, and nothing else, said no.
		return Judgment{Overblocked, o.Call + "; " + logged(o)}
	}
	switch {
	case c.Control == nil:
		return Judgment{Unproven, "no control: the probe did not run with nothing locked"}
	case c.Control.Outcome != scenarios.Allowed:
		return Judgment{Unproven, fmt.Sprintf("control, nothing locked: %s", describe(c.Control))}
	case o.Outcome != scenarios.Denied && o.Outcome != scenarios.Allowed:
		return Judgment{Unproven, describe(o)}
	}
	denied := o.Outcome == scenarios.Denied
	switch {
	case locked && !denied:
		return Judgment{Leak, o.Call + " though " + string(c.Row.Reason) + " is locked"}
	case !locked && denied:
		return Judgment{Overblocked, o.Call + "; " + logged(o)}
	case locked && !attributed(c.Row, o):
		return Judgment{Unattributed, o.Call + "; " + logged(o)}
	case locked:
		return Judgment{Enforced, o.Call}
	}
	return Judgment{Open, o.Call}
}

// attributed reports whether the kernel's log names this run of the probe and
// its reason: security/lockdown/lockdown.c:lockdown_is_locked_down, v6.12.
func attributed(row scenarios.Row, o *scenarios.Observation) bool {
	info, ok := lockdown.Info(row.Reason)
	want := "Lockdown: " + o.Comm + ": " + info.Label + " is restricted"
	for _, line := range o.Log {
		if ok && o.Comm != "" && strings.HasPrefix(line, want) {
			return true
		}
	}
	return false
}

// logged says what the kernel logged of the run.
func logged(o *scenarios.Observation) string {
	if len(o.Log) == 0 {
		return "the kernel logged no reason"
	}
	return fmt.Sprintf("the kernel logged %q", o.Log[0])
}

func describe(o *scenarios.Observation) string {
	s := fmt.Sprintf("%s: %s", o.Outcome, o.Call)
	if o.Why != "" {
		s += " (" + o.Why + ")"
	}
	return s
}

// judgeAbsence takes "there is no such thing here" for true only where it does
// not contradict the kernel's own configuration, or what the control saw.
func judgeAbsence(c Case) Judgment {
	o := c.Observed
	if strings.HasPrefix(o.Why, "CONFIG_") && c.Config[o.Why] {
		return Judgment{Unproven, fmt.Sprintf("%s says that %s is off, but it is on", o.Call, o.Why)}
	}
	if c.Control != nil && c.Control.Outcome != scenarios.Unavailable {
		return Judgment{Unproven, fmt.Sprintf("%s, but it is there with nothing locked: %s", o.Call, describe(c.Control))}
	}
	return Judgment{Unavailable, o.Why}
}

// judgeAnswers compares a script's answers with the model, step by step. The
// level file's answers are an ABI: every kernel owes mainline's.
func judgeAnswers(c Case) Judgment {
	if c.Observed.Outcome != scenarios.Answered || len(c.Observed.Steps) == 0 {
		return Judgment{Unproven, describe(c.Observed)}
	}
	kind := c.Guest.Kind
	if kind == lockdown.Posted {
		kind = lockdown.Tristate
	}
	model := lockdown.NewModel(kind, c.Guest.Setting)
	for i, got := range c.Observed.Steps {
		want := model.Answer(got)
		if want != got {
			return Judgment{Deviates, fmt.Sprintf("step %d of %d: %s, want %s", i+1, len(c.Observed.Steps), got, answer(want))}
		}
	}
	return Judgment{Conforms, fmt.Sprintf("%d of %d answers are the model's", len(c.Observed.Steps), len(c.Observed.Steps))}
}

// answer is what a step came back with.
func answer(s lockdown.Step) string {
	switch {
	case s.Err != "":
		return s.Err
	case s.Op == "read":
		return fmt.Sprintf("%q", s.Data)
	}
	return fmt.Sprint(len(s.Data))
}
