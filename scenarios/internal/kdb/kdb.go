// Package kdb stops the kernel and uses its debuggers: kdb and the gdb stub.
package kdb

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/identity"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// Output of kdb, as regular expressions. On entry kdb prints the current task
// and where the kernel stopped, whatever is locked: kdb_main.c:kdb_local, v6.12.
const (
	Prompt        = `(\[[0-9]+\])?kdb> $` // with several processors kdb prints the number of one
	entry         = `(?s)current=0x(?P<task>[0-9a-f]+).*` + Prompt
	stopped       = `@ 0x(?P<stopped>[0-9a-f]+)`
	register      = `\b(?P<register>bx|x19): (?P<value>[0-9a-f]{16})` // of x86_64, of arm64
	counter       = `\b(ip|pc): (?P<counter>[0-9a-f]{16})`            // the same
	refused       = `diag: -22: Permission denied`                    // KDB_NOPERM
	moreArguments = `diag: -[0-9]+: Improper argument count`          // KDB_ARGCOUNT
	physical      = `
phys 0x[0-9a-f]+ (?P<words>[0-9a-f]{16} [0-9a-f]{16})` // of mdp
	otherWord   = "5a5a5a5a5a5a5a5a"                    // no register has it
	registerSet = `rm (bx|x19) 0x[0-9a-f]+\s+` + Prompt // rm is silent
	memorySet   = `\n0x[0-9a-f]+ = 0x[0-9a-f]+`         // mm's answer
)

// end ends a command: a carriage return, because kdb of 6.1 takes no line feed
// (kdb_read(), v6.1).
const end = "\r"

// resume continues the kernel if kdb waits for a command.
var resume = debugger.Step{When: Prompt, Send: "go" + end}

// A Command is a command given to kdb.
type Command struct {
	Text  string
	Shows string // what its answer matches if it was allowed

	// brought compares what the command read with what is there; nil: it is not
	// compared.
	brought func(entry, answer debugger.Output) (right bool, look string)

	// changing is a script whose command changes something, and which looks.
	changing func(c Command) script
}

// A script is what is given to kdb. Of the steps in answers, that which was done
// has the command's answer, and of those in looks, that which was done looks
// whether something has changed.
type script struct {
	steps          []debugger.Step
	answers, looks []int
}

// Expressions searched in a look, by index in Look.
const (
	lookChanged = iota
	lookDenied
)

var (
	// Read reads the beginning of the process's own page, at its physical address.
	Read      = Command{Text: "mdp 0x${page} 1", Shows: physical}
	Registers = Command{Text: "rd", Shows: register, brought: hasCounter}
	// Write sets a flag of the current task, which a user may set as well.
	Write       = Command{Text: "mm1 0x${task}+" + flagByte + " 0x" + flagValue, Shows: memorySet, changing: writeScript}
	SetRegister = Command{Text: "rm ${register} 0x" + otherWord, Shows: registerSet, changing: registerScript}
)

// Name is the command without the values that differ from run to run.
func (c Command) Name() string {
	return strings.NewReplacer("0x${task}", "CURRENT", "0x${page}", "PAGE", "${register}", "REGISTER", "0x"+otherWord, "VALUE").Replace(c.Text)
}

// Expressions searched in a command's answer, by index in Look.
const (
	lookRefused = iota
	lookShows
	lookMore
	lookFound // what a reading command read
)

// answered makes a step's answer a candidate for the command's answer.
func (c Command) answered(s debugger.Step) debugger.Step {
	s.Look = []string{lookRefused: refused, lookShows: c.Shows, lookMore: moreArguments, lookFound: c.found()}
	return s
}

// found is the part of an answer that is compared.
func (c Command) found() string {
	if c.Text == Registers.Text {
		return counter
	}
	return c.Shows
}

// enter are the steps with which every script begins: it stops at the prompt,
// without a pager.
func enter() []debugger.Step {
	return []debugger.Step{{Until: entry, Look: []string{entry, stopped}}, {Send: "set LINES 999" + end, Until: Prompt}}
}

// script enters kdb, gives the command and continues the kernel.
func (c Command) script() script {
	if c.changing != nil {
		return c.changing(c)
	}
	return script{steps: append(enter(), c.answered(debugger.Step{Send: c.Text + end, Until: Prompt}), resume), answers: []int{2}}
}

// writeScript sets the flag, looks, and puts it back. If it may be set but not
// read, it was clear: nobody sets it.
func writeScript(c Command) script {
	const address, set = "0x${task}+" + flagByte, `\n0x[0-9a-f]+ ` + flagValue + ` `
	look := []string{lookChanged: set, lookDenied: refused}
	return script{steps: append(enter(),
		debugger.Step{Send: "md1c1 " + address + end, Until: `(?s)(\n0x[0-9a-f]+ (?P<value>[0-9a-f]{2}) .*)?` + Prompt},
		c.answered(debugger.Step{Send: c.Text + end, Until: Prompt}),
		debugger.Step{When: memorySet, Send: "md1c1 " + address + end, Until: Prompt, Look: look},
		debugger.Step{When: `(?s)mm1 .*` + refused, Send: "md1c2 " + address + end, Until: Prompt, Look: look}, // another command, so that the next steps know
		debugger.Step{When: set, Send: "mm1 " + address + " 0x${value}" + end, Until: Prompt},
		debugger.Step{When: `(?s)md1c1 .*` + refused, Send: "mm1 " + address + " 0x00" + end, Until: Prompt},
		resume,
	), answers: []int{3}, looks: []int{4, 5}}
}

// registerScript sets a register that the trap has saved, looks, and puts it
// back. If registers cannot be read, the value to put back is unknown, and the
// command gets no arguments: kdb checks a command's permissions before its
// arguments (kdb_main.c:kdb_parse, v6.12).
func registerScript(c Command) script {
	const set = `\b(bx|x19): ` + otherWord
	look := []string{lookChanged: set, lookDenied: refused}
	return script{steps: append(enter(),
		debugger.Step{Send: "rd" + end, Until: `(?s)(` + register + `.*)?` + Prompt},
		c.answered(debugger.Step{When: refused, Send: "rm" + end, Until: Prompt}),
		c.answered(debugger.Step{When: register, Send: c.Text + end, Until: Prompt}),
		debugger.Step{When: `(?s)rm (bx|x19) `, Send: "rd" + end, Until: Prompt, Look: look},
		debugger.Step{When: set, Send: "rm ${register} 0x${value}" + end, Until: Prompt},
		resume,
	), answers: []int{3, 4}, looks: []int{5}}
}

// An Entry is how the kernel is stopped.
type Entry int

// Entries.
const (
	Once   Entry = iota // by root
	Again               // by root, who then restores all permissions of kdb and stops it again
	AsUser              // by another user that has every capability
)

func (e Entry) String() string {
	if e == AsUser {
		return " as uid 1000"
	}
	return ""
}

// by makes the process one of the user that stops the kernel.
func (e Entry) by() error {
	if e == AsUser {
		_, err := identity.Asker{UID: 1000}.Become()
		return err
	}
	return nil
}

// Run stops the kernel and gives the command to kdb.
func Run(ctx context.Context, c Command, entry Entry) observe.Report {
	runtime.LockOSThread() // kdb's current task is the thread that stops the kernel
	defer runtime.UnlockOSThread()
	name := c.Name()
	if c.Text == Read.Text {
		p, err := ownpage.New()
		if err != nil {
			return observe.SetupFailed("mmap", err)
		}
		defer p.Close()
		at, err := p.Physical()
		if err != nil {
			return observe.SetupFailed("pread", err)
		}
		c = c.reading(p, at)
	}
	s, r := startDebugSession(ctx)
	if r.Outcome != observe.Allowed {
		return r
	}
	commands := c.script()
	var outputs []debugger.Output
	err := entry.by()
	if err == nil {
		outputs, err = s.run(commands.steps)
	}
	if err == nil && entry == Again {
		// KDB_ENABLE_ALL, the value at boot (CONFIG_KDB_DEFAULT_ENABLE).
		if err = observe.WriteCommand(EnableFile, "1"); err == nil {
			outputs, err = s.run(commands.steps)
		}
	}
	if end := s.end(); err == nil {
		err = end
	}
	if err != nil {
		return observe.SetupFailed("kdb> "+name, err)
	}
	return c.judge("kdb> "+name, commands, outputs, s.flagged)
}

// judge returns the report for the outputs of a script. flagged is set if the
// flag of Write was set when the kernel had continued.
func (c Command) judge(call string, s script, outputs []debugger.Output, flagged bool) observe.Report {
	answer := doneOf(outputs, s.answers)
	var r observe.Report
	switch {
	case answer.Shows(lookRefused):
		r = observe.Report{Outcome: observe.Denied, Errno: "KDB_NOPERM", Call: call + " = KDB_NOPERM"}
	case answer.Shows(lookShows):
		r = observe.Report{Outcome: observe.Allowed, Call: call + " = ok"}
	case c.changing != nil && answer.Shows(lookMore):
		r = observe.Report{Outcome: observe.Allowed, Call: call + " = KDB_ARGCOUNT: allowed, but the value could not be read"}
		return r
	default:
		return observe.Report{Outcome: observe.Failed, Call: call, Why: fmt.Sprintf("unexpected answer of kdb: %.200q", answer.Text)}
	}
	switch {
	case c.brought != nil && r.Outcome == observe.Denied:
		return r.Saw(false, "nothing was read")
	case c.brought != nil:
		return r.Saw(c.brought(outputs[0], answer))
	case c.changing != nil:
		return c.changed(r, doneOf(outputs, s.looks), flagged)
	}
	return r
}

// changed adds whether the command changed something.
func (c Command) changed(r observe.Report, look debugger.Output, flagged bool) observe.Report {
	switch {
	case look.Shows(lookChanged):
		return r.Saw(true, "kdb shows what was written")
	case look.Done && !look.Shows(lookDenied):
		return r.Saw(false, "kdb shows what was there before")
	case r.Outcome != observe.Denied:
		return r // it cannot be read
	case c.Text == Write.Text:
		return r.Saw(flagged, "prctl shows the flag of the task")
	}
	return r.Saw(false, "the command had no value to write, because reading is denied, too")
}

// doneOf is the output of the step that was done; the zero value if none was.
func doneOf(outputs []debugger.Output, steps []int) (o debugger.Output) {
	for _, i := range steps {
		if i < len(outputs) && outputs[i].Done {
			o = outputs[i]
		}
	}
	return o
}

// hasCounter compares the instruction pointer with where the kernel stopped. If
// kdb was entered as by a key, it does not print that; the pointer must then be
// in the kernel's half of the addresses.
func hasCounter(entry, answer debugger.Output) (bool, string) {
	at, got := entry.Found[1], answer.Found[lookFound]
	if at == "" {
		return strings.HasPrefix(got, "ffff"), "the instruction pointer is " + got
	}
	return strings.TrimLeft(at, "0") == strings.TrimLeft(got, "0"), fmt.Sprintf("the instruction pointer is %s, and the kernel stopped at %s", got, at)
}

// reading is the command that reads the page, and compares.
func (c Command) reading(p *ownpage.Page, at int64) Command {
	c.Text = strings.ReplaceAll(c.Text, "${page}", fmt.Sprintf("%x", at))
	c.brought = func(_, answer debugger.Output) (bool, string) {
		want := fmt.Sprintf("%016x %016x", binary.LittleEndian.Uint64(p.Bytes), binary.LittleEndian.Uint64(p.Bytes[8:]))
		got := answer.Found[lookFound][max(0, len(answer.Found[lookFound])-len(want)):]
		return got == want, fmt.Sprintf("read %s, and the process's own page has %s", got, want)
	}
	return c
}
