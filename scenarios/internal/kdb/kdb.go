// Package kdb stops the kernel and uses its debuggers: kdb and the gdb stub.
package kdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Output of kdb, as regular expressions. On entry kdb prints the current task,
// whatever is locked: kdb_main.c:kdb_local, v6.12. Reading the first word of
// that task and writing it back changes nothing, because the kernel is stopped.
// The same holds for a register that the trap has saved.
const (
	Prompt        = `(\[[0-9]+\])?kdb> $` // with several processors kdb prints the number of one
	entry         = `(?s)current=0x(?P<task>[0-9a-f]+).*` + Prompt
	word          = `\n0x[0-9a-f]+ (?P<value>[0-9a-f]{16}) `
	register      = `\b(?P<register>bx|x19): (?P<value>[0-9a-f]{16})` // of x86_64, of arm64
	refused       = `diag: -22: Permission denied`                    // KDB_NOPERM
	moreArguments = `diag: -[0-9]+: Improper argument count`          // KDB_ARGCOUNT
)

var (
	Read      = Command{Text: "md8c1 0x${task}", Shows: word}
	Registers = Command{Text: "rd", Shows: register}
	Write     = Command{
		look: Read.Text, value: word,
		Text: "mm8 0x${task} 0x${value}", blind: "mm8 0x${task}", Shows: `\n0x[0-9a-f]+ = 0x[0-9a-f]+`,
	}
	SetRegister = Command{
		look: Registers.Text, value: register,
		Text: "rm ${register} 0x${value}", blind: "rm", Shows: `rm (bx|x19) 0x[0-9a-f]+\s+` + Prompt,
	}
)

// resume continues the kernel if kdb waits for a command.
var resume = debugger.Step{When: Prompt, Send: "go\n"}

// A Command is a command given to kdb.
type Command struct {
	Text  string
	Shows string // what its answer matches if it was allowed

	// A command that writes a value back reads it first. If reading is denied,
	// the value is unknown and the blind command is sent, which lacks it: kdb
	// checks a command's permissions before its arguments
	// (kdb_main.c:kdb_parse, v6.12).
	look, value, blind string
}

// Name is the command without the values that differ from run to run.
func (c Command) Name() string {
	return strings.NewReplacer("0x${task}", "CURRENT", "${register}", "REGISTER", "0x${value}", "VALUE").Replace(c.Text)
}

// Expressions searched in a command's answer, by index in Look.
const (
	lookRefused = iota
	lookShows
	lookMore
)

// answered makes a step's answer a candidate for the command's answer.
func (c Command) answered(s debugger.Step) debugger.Step {
	s.Look = []string{lookRefused: refused, lookShows: c.Shows, lookMore: moreArguments}
	return s
}

// script enters kdb, gives the command and continues the kernel. The last
// answer is the command's.
func (c Command) script() []debugger.Step {
	script := []debugger.Step{{Until: entry}, {Send: "set LINES 999\n", Until: Prompt}} // no pager
	if c.look == "" {
		return append(script, c.answered(debugger.Step{Send: c.Text + "\n", Until: Prompt}), resume)
	}
	return append(script,
		debugger.Step{Send: c.look + "\n", Until: `(?s)(` + c.value + `.*)?` + Prompt},
		c.answered(debugger.Step{When: refused, Send: c.blind + "\n", Until: Prompt}),
		c.answered(debugger.Step{When: c.value, Send: c.Text + "\n", Until: Prompt}),
		resume,
	)
}

// Run gives the command to kdb. If again is set, root then restores all
// permissions of kdb and the command is given again.
func Run(ctx context.Context, c Command, again bool) observe.Report {
	s, r := startDebugSession(ctx)
	if r.Outcome != observe.Allowed {
		return r
	}
	outputs, err := s.run(c.script())
	if err == nil && again {
		// KDB_ENABLE_ALL, the value at boot (CONFIG_KDB_DEFAULT_ENABLE).
		if err = observe.WriteCommand(EnableFile, "1"); err == nil {
			outputs, err = s.run(c.script())
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

// judge returns the report for the last answer.
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
		return observe.Report{Outcome: observe.Allowed, Call: call + " = KDB_ARGCOUNT: allowed, but the value could not be read"}
	}
	return observe.Report{Outcome: observe.Failed, Call: call, Why: fmt.Sprintf("unexpected answer of kdb: %.200q", answer.Text)}
}
