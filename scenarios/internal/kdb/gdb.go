package kdb

import (
	"context"
	"fmt"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Replies of the kernel's gdb stub, as regular expressions:
// kernel/debug/gdbstub.c, v6.12.
const (
	gdbPacket  = `\$[^#]*#[0-9a-f]{2}$`
	gdbStopped = `\$T[0-9a-f]{2}[^#]*#[0-9a-f]{2}$` // sent when a kernel stops to which gdb is attached
	gdbWord    = `\$[0-9a-f]{16}#[0-9a-f]{2}$`
)

// gdbSend encodes a packet, with its checksum.
func gdbSend(data string) string {
	sum := byte(0)
	for i := range len(data) {
		sum += data[i]
	}
	return fmt.Sprintf("$%s#%02x", data, sum)
}

// gdbAttach switches from kdb to the stub and continues the kernel. kdb treats
// the packet as a command that needs all permissions
// (kdb_io.c:kgdb_transition_check, kdb_main.c:maintab).
func gdbAttach() []debugger.Step {
	return []debugger.Step{
		{Until: entry, Look: []string{entry}},
		{Send: gdbSend("?"), Until: gdbPacket + `|` + Prompt, Look: []string{refused}},
		{When: gdbPacket, Send: "+" + gdbSend("c")},
		resume,
	}
}

// gdbReadWord reads at the address from a kernel to which gdb is attached, and
// detaches. If the stub is denied, kdb answers instead.
func gdbReadWord(address string) []debugger.Step {
	return []debugger.Step{
		{Until: gdbStopped + `|` + Prompt, Look: []string{Prompt}},
		{When: gdbPacket, Send: "+" + gdbSend("m"+address+",8"), Until: gdbPacket, Look: []string{gdbWord}},
		{When: gdbPacket, Send: "+" + gdbSend("D"), Until: gdbPacket},
		{When: gdbPacket, Send: "+"},
		resume,
	}
}

// AttachGDB attaches to the kernel before anything is locked: the stub checks
// lockdown only on entry, and a locked kdb cannot switch to it. The kernel is
// stopped again as the entry says.
func AttachGDB(entry Entry) func(context.Context, observe.Env) (func(context.Context) observe.Report, observe.Report) {
	return func(ctx context.Context, _ observe.Env) (func(context.Context) observe.Report, observe.Report) {
		return attachGDB(ctx, entry)
	}
}

func attachGDB(ctx context.Context, entry Entry) (rest func(context.Context) observe.Report, r observe.Report) {
	const attach, read = "gdb $?", "gdb $mCURRENT,8"
	s, r := startDebugSession(ctx)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	outputs, err := s.run(gdbAttach())
	switch {
	case err != nil:
		r = observe.SetupFailed(attach, err)
	case outputs[1].Shows(0):
		r = observe.Report{Outcome: observe.Denied, Errno: "KDB_NOPERM", Call: attach + " = KDB_NOPERM"}
	case !outputs[2].Done:
		r = observe.Report{Outcome: observe.Failed, Call: attach, Why: fmt.Sprintf("unexpected answer of the stub: %.200q", outputs[1].Text)}
	default:
		address := outputs[0].Found[0] // present, because the host waited for it
		return func(ctx context.Context) observe.Report {
			s.Ctx = ctx
			var outputs []debugger.Output
			err := entry.by()
			if err == nil {
				outputs, err = s.run(gdbReadWord(address))
			}
			if end := s.end(); err == nil {
				err = end
			}
			if err != nil {
				return observe.SetupFailed(read, err)
			}
			return judgeGDB(read, outputs)
		}, r
	}
	s.end() // the first error counts
	return nil, r
}

// judgeGDB returns the report for the answers to gdbReadWord.
func judgeGDB(call string, outputs []debugger.Output) observe.Report {
	entered, answer := outputs[0], outputs[1]
	switch {
	case entered.Shows(0):
		return observe.Report{Outcome: observe.Denied, Call: call + " = kdb instead of the stub"}
	case answer.Shows(0):
		return observe.Report{Outcome: observe.Allowed, Call: call + " = ok"}
	}
	return observe.Report{Outcome: observe.Failed, Call: call, Why: fmt.Sprintf("unexpected answer of the stub: %.200q", answer.Text)}
}
