package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/internal/debugger"
)

// What kdb says, as regular expressions. On entry it tells, whatever is locked,
// where the task is that it was entered from: kdb_main.c:kdb_local, v6.12. To
// read and write back the first word there changes nothing, for the kernel
// stands still; nor does it matter in a register that the trap has saved.
const (
	kdbPrompt   = `(\[[0-9]+\])?kdb> $` // with several processors it names one
	kdbEntry    = `(?s)current=0x(?P<task>[0-9a-f]+).*` + kdbPrompt
	kdbWord     = `\n0x[0-9a-f]+ (?P<value>[0-9a-f]{16}) `
	kdbRegister = `\b(?P<register>bx|x19): (?P<value>[0-9a-f]{16})` // of x86_64, of arm64
	kdbRefused  = `diag: -22: Permission denied`                    // KDB_NOPERM
	kdbMore     = `diag: -[0-9]+: Improper argument count`          // KDB_ARGCOUNT
)

var (
	kdbRead      = kdbCommand{say: "md8c1 0x${task}", shows: kdbWord}
	kdbRegisters = kdbCommand{say: "rd", shows: kdbRegister}
	kdbWrite     = kdbCommand{
		look: kdbRead.say, value: kdbWord,
		say: "mm8 0x${task} 0x${value}", blind: "mm8 0x${task}", shows: `\n0x[0-9a-f]+ = 0x[0-9a-f]+`,
	}
	kdbSetRegister = kdbCommand{
		look: kdbRegisters.say, value: kdbRegister,
		say: "rm ${register} 0x${value}", blind: "rm", shows: `rm (bx|x19) 0x[0-9a-f]+\s+` + kdbPrompt,
	}
)

// kdbGo has the kernel run on, where kdb waits.
var kdbGo = debugger.Step{When: kdbPrompt, Send: "go\n"}

// A kdbCommand is a command given to kdb.
type kdbCommand struct {
	say   string
	shows string // what its answer matches where it was allowed

	// A command that writes back what is there looks for the value first.
	// Where looking is refused nobody knows it, and the blind command lacks it:
	// kdb looks at a command's rights first, and at its arguments then
	// (kdb_main.c:kdb_parse, v6.12).
	look, value, blind string
}

// name is the command without what differs from run to run.
func (c kdbCommand) name() string {
	return strings.NewReplacer("0x${task}", "CURRENT", "${register}", "REGISTER", "0x${value}", "VALUE").Replace(c.say)
}

// What is looked for in the answer to a command, by place in its Look.
const (
	lookRefused = iota
	lookShows
	lookMore
)

// answered is a step to which a command's answer may be the last.
func (c kdbCommand) answered(s debugger.Step) debugger.Step {
	s.Look = []string{lookRefused: kdbRefused, lookShows: c.shows, lookMore: kdbMore}
	return s
}

// script enters kdb, gives the command and has the kernel run on. The last of
// its answers is the command's.
func (c kdbCommand) script() []debugger.Step {
	script := []debugger.Step{{Until: kdbEntry}, {Send: "set LINES 999\n", Until: kdbPrompt}} // no pager
	if c.look == "" {
		return append(script, c.answered(debugger.Step{Send: c.say + "\n", Until: kdbPrompt}), kdbGo)
	}
	return append(script,
		debugger.Step{Send: c.look + "\n", Until: `(?s)(` + c.value + `.*)?` + kdbPrompt},
		c.answered(debugger.Step{When: kdbRefused, Send: c.blind + "\n", Until: kdbPrompt}),
		c.answered(debugger.Step{When: c.value, Send: c.say + "\n", Until: kdbPrompt}),
		kdbGo,
	)
}

// kdb gives the command to kdb; again, where root then gives kdb all its rights
// back.
func kdb(ctx context.Context, c kdbCommand, again bool) Result {
	s, r := startDebugSession(ctx)
	if r.Outcome != Allowed {
		return r
	}
	outputs, err := s.play(c.script())
	if err == nil && again {
		// KDB_ENABLE_ALL, what it is at boot (CONFIG_KDB_DEFAULT_ENABLE).
		if err = writeWhole(kdbFile, "1"); err == nil {
			outputs, err = s.play(c.script())
		}
	}
	if end := s.end(); err == nil {
		err = end
	}
	if err != nil {
		return failed("kdb> "+c.name(), err)
	}
	return c.judge(outputs)
}

// judge says what the last answer means.
func (c kdbCommand) judge(outputs []debugger.Output) Result {
	var answer debugger.Output
	for _, o := range outputs {
		if o.Text != "" {
			answer = o
		}
	}
	call := "kdb> " + c.name()
	switch {
	case answer.Shows(lookRefused):
		return Result{Outcome: Denied, Errno: "KDB_NOPERM", Call: call + " = KDB_NOPERM"}
	case answer.Shows(lookShows):
		return Result{Outcome: Allowed, Call: call + " = ok"}
	case c.blind != "" && answer.Shows(lookMore):
		return Result{Outcome: Allowed, Call: call + " = KDB_ARGCOUNT: allowed, but what is there could not be read"}
	}
	return Result{Outcome: Failed, Call: call, Why: fmt.Sprintf("kdb answers %.200q", answer.Text)}
}
