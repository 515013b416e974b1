// Package kdb stops the kernel and uses its debuggers: kdb and the gdb stub.
package kdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// What kdb says, as regular expressions. On entry it tells, whatever is locked,
// where the task is that it was entered from: kdb_main.c:kdb_local, v6.12. To
// read and write back the first word there changes nothing, for the kernel
// stands still; nor does it matter in a register that the trap has saved.
const (
	Prompt        = `(\[[0-9]+\])?kdb> $` // with several processors it names one
	entry         = `(?s)current=0x(?P<task>[0-9a-f]+).*` + Prompt
	word          = `\n0x[0-9a-f]+ (?P<value>[0-9a-f]{16}) `
	register      = `\b(?P<register>bx|x19): (?P<value>[0-9a-f]{16})` // of x86_64, of arm64
	refused       = `diag: -22: Permission denied`                    // KDB_NOPERM
	moreArguments = `diag: -[0-9]+: Improper argument count`          // KDB_ARGCOUNT
)

var (
	Read      = Command{Say: "md8c1 0x${task}", Shows: word}
	Registers = Command{Say: "rd", Shows: register}
	Write     = Command{
		look: Read.Say, value: word,
		Say: "mm8 0x${task} 0x${value}", blind: "mm8 0x${task}", Shows: `\n0x[0-9a-f]+ = 0x[0-9a-f]+`,
	}
	SetRegister = Command{
		look: Registers.Say, value: register,
		Say: "rm ${register} 0x${value}", blind: "rm", Shows: `rm (bx|x19) 0x[0-9a-f]+\s+` + Prompt,
	}
)

// goOn has the kernel run on, where kdb waits.
var goOn = debugger.Step{When: Prompt, Send: "go\n"}

// A Command is a command given to kdb.
type Command struct {
	Say   string
	Shows string // what its answer matches where it was allowed

	// A command that writes back what is there looks for the value first.
	// Where looking is refused nobody knows it, and the blind command lacks it:
	// kdb looks at a command's rights first, and at its arguments then
	// (kdb_main.c:kdb_parse, v6.12).
	look, value, blind string
}

// Name is the command without what differs from run to run.
func (c Command) Name() string {
	return strings.NewReplacer("0x${task}", "CURRENT", "${register}", "REGISTER", "0x${value}", "VALUE").Replace(c.Say)
}

// What is looked for in the answer to a command, by place in its Look.
const (
	lookRefused = iota
	lookShows
	lookMore
)

// answered is a step to which a command's answer may be the last.
func (c Command) answered(s debugger.Step) debugger.Step {
	s.Look = []string{lookRefused: refused, lookShows: c.Shows, lookMore: moreArguments}
	return s
}

// script enters kdb, gives the command and has the kernel run on. The last of
// its answers is the command's.
func (c Command) script() []debugger.Step {
	script := []debugger.Step{{Until: entry}, {Send: "set LINES 999\n", Until: Prompt}} // no pager
	if c.look == "" {
		return append(script, c.answered(debugger.Step{Send: c.Say + "\n", Until: Prompt}), goOn)
	}
	return append(script,
		debugger.Step{Send: c.look + "\n", Until: `(?s)(` + c.value + `.*)?` + Prompt},
		c.answered(debugger.Step{When: refused, Send: c.blind + "\n", Until: Prompt}),
		c.answered(debugger.Step{When: c.value, Send: c.Say + "\n", Until: Prompt}),
		goOn,
	)
}

// Run gives the command to kdb; again, where root then gives kdb all its rights
// back.
func Run(ctx context.Context, c Command, again bool) observe.Report {
	s, r := startDebugSession(ctx)
	if r.Outcome != observe.Allowed {
		return r
	}
	outputs, err := s.play(c.script())
	if err == nil && again {
		// KDB_ENABLE_ALL, what it is at boot (CONFIG_KDB_DEFAULT_ENABLE).
		if err = observe.WriteCommand(EnableFile, "1"); err == nil {
			outputs, err = s.play(c.script())
		}
	}
	if end := s.end(); err == nil {
		err = end
	}
	if err != nil {
		return observe.SetupFailed("kdb> "+c.Name(), err)
	}
	return c.judge(outputs)
}

// judge says what the last answer means.
func (c Command) judge(outputs []debugger.Output) observe.Report {
	var answer debugger.Output
	for _, o := range outputs {
		if o.Text != "" {
			answer = o
		}
	}
	call := "kdb> " + c.Name()
	switch {
	case answer.Shows(lookRefused):
		return observe.Report{Outcome: observe.Denied, Errno: "KDB_NOPERM", Call: call + " = KDB_NOPERM"}
	case answer.Shows(lookShows):
		return observe.Report{Outcome: observe.Allowed, Call: call + " = ok"}
	case c.blind != "" && answer.Shows(lookMore):
		return observe.Report{Outcome: observe.Allowed, Call: call + " = KDB_ARGCOUNT: allowed, but what is there could not be read"}
	}
	return observe.Report{Outcome: observe.Failed, Call: call, Why: fmt.Sprintf("kdb answers %.200q", answer.Text)}
}
