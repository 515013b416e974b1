package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/steps"
)

// What the steps of findings are made of: observe has what each means.
type (
	Step  = observe.Step
	Count = observe.Count
)

// CheckSteps reports why steps cannot run; nil if they can.
func CheckSteps(list []Step) error { return observe.CheckSteps(list, steps.Known) }

// StepCalls lists the system calls that a step may make.
func StepCalls() []string { return steps.Names() }

// StepsID names the row of steps that a request brings along. It is in no table and
// no plan has it, because without steps it does nothing. In another machine than
// the plain one, its name ends with the machine's.
const StepsID = "steps/run"

// stepsRow is a row that runs the steps of a request; false if id does not name it.
func stepsRow(id string) (Row, bool) {
	machine := Plain
	switch id {
	case StepsID:
	case StepsOn(Firmware):
		machine = Firmware
	default:
		return Row{}, false
	}
	return Row{ID: id, Probe: Probe{
		Claim:    Claim{Name: "run", Call: "the steps of a finding", Expect: Steps},
		Schedule: Schedule{Once: true, Machine: machine},
		Act: Act{Do: func(_ context.Context, env Env) Report {
			return Report{Outcome: Answered, Call: "the steps of a finding", Steps: steps.Run(env.Steps)}
		}},
	}}, true
}

// StepsOn is the name of the row of steps on a kind of machine.
func StepsOn(m MachineKind) string {
	if m == Plain {
		return StepsID
	}
	return StepsID + "-" + string(m)
}

// OpenFlags parses flags of open(2): O_RDWR|O_SYNC. An empty text is O_RDONLY.
func OpenFlags(text string) (int, error) { return observe.ParseFlags(text) }

// IsErrno reports whether a text is the name of an errno.
func IsErrno(text string) bool { return observe.IsErrno(text) }
