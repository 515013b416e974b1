package kdb

import (
	"regexp"
	"testing"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestGDBSend compares with packets that gdb sends and that kdb names.
func TestGDBSend(t *testing.T) {
	for data, want := range map[string]string{"?": "$?#3f", "D": "$D#44", "3": "$3#33", "OK": "$OK#9a", "qSupported": "$qSupported#37"} {
		if got := gdbSend(data); got != want {
			t.Errorf("%s is sent as %s, want %s", data, got, want)
		}
	}
}

// Answers as v6.12 gives them, on x86_64 and arm64.
const (
	saidEntry   = "\r\nEntering kdb (current=0xffff888000630000, pid 38) due to NonMaskable Interrupt @ 0xffffffff810a1770\r\nkdb> "
	saidWord    = "md8c1 0xffff888000630000\r\n0xffff888000630000 0000000000000008                    ........\r\nkdb> "
	saidRefused = "md8c1 0xffff888000630000\r\ndiag: -22: Permission denied\r\nkdb> "
	saidMore    = "mm8 0xffff888000630000\r\ndiag: -3: Improper argument count, see usage.\r\nkdb> "
	saidWritten = "mm8 0xffff888000630000 0x0000000000000008\r\n0xffff888000630000 = 0x0000000000000008\r\nkdb> "
	saidX86     = "rd\r\nax: 0000000000000067  bx: ffffffff8190c240  cx: 0000000000000000\r\nkdb> "
	saidARM     = "rd\r\nx18: 0000000000000000  x19: ffff800080c5a1c0  x20: 0000000000000067\r\nkdb> "
	saidSet     = "rm bx 0xffffffff8190c240\r\nkdb> "
	saidSetARM  = "rm x19 0xffff8000807d6558\r\n[0]kdb> "
	saidFault   = "md8c1 0x0\r\nkdb_getarea_size: Bad address 0x0\r\nkdb> "
)

func TestKDBJudge(t *testing.T) {
	find := func(name string) Command {
		return map[string]Command{"read": Read, "write": Write, "rd": Registers, "rm": SetRegister}[name]
	}
	for _, tt := range []struct {
		command, answer string
		want            observe.Outcome
	}{
		{"read", saidWord, observe.Allowed}, {"read", saidRefused, observe.Denied}, {"read", saidFault, observe.Failed}, {"read", saidMore, observe.Failed}, {"read", "", observe.Failed},
		{"write", saidWritten, observe.Allowed}, {"write", saidRefused, observe.Denied}, {"write", saidMore, observe.Allowed}, {"write", saidWord, observe.Failed},
		{"rd", saidX86, observe.Allowed}, {"rd", saidARM, observe.Allowed}, {"rd", saidRefused, observe.Denied}, {"rd", saidWord, observe.Failed},
		{"rm", saidSet, observe.Allowed}, {"rm", saidSetARM, observe.Allowed}, {"rm", saidRefused, observe.Denied}, {"rm", saidX86, observe.Failed},
	} {
		command := find(tt.command)
		answer := command.answered(debugger.Step{}).Answer(tt.answer)
		r := command.judge([]debugger.Output{{Done: true, Text: saidEntry}, answer, {Done: true}, {}})
		if tt.answer == "" {
			r = command.judge([]debugger.Output{{Done: true, Text: "silence"}})
		}
		if r.Outcome != tt.want || (r.Outcome == observe.Failed) != (r.Why != "") {
			t.Errorf("%s answered by %q: %+v, want %s", tt.command, tt.answer, r, tt.want)
		}
	}
}

func TestGDBJudge(t *testing.T) {
	for _, tt := range []struct {
		entered, answer string
		want            observe.Outcome
	}{
		{"+$T05thread:0000000000000026;#00", "+$0800000000000000#88", observe.Allowed},
		{saidEntry, "", observe.Denied},
		{"+$T05thread:0000000000000026;#00", "+$E22#a9", observe.Failed},
	} {
		script := gdbReadWord("0x0")
		if r := judgeGDB("act", []debugger.Output{script[0].Answer(tt.entered), script[1].Answer(tt.answer)}); r.Outcome != tt.want {
			t.Errorf("%q, %q: %+v, want %s", tt.entered, tt.answer, r, tt.want)
		}
	}
}

// TestKDBScripts follows the scripts that write back what is there, as the host
// does: which steps are done where looking is allowed, and where it is not.
func TestKDBScripts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command Command
		looked  string
		want    string // what is sent last before "go"
	}{
		{"write", Write, saidWord, "mm8 0x${task} 0x${value}\n"},
		{"write, blind", Write, saidRefused, "mm8 0x${task}\n"},
		{"rm", SetRegister, saidX86, "rm ${register} 0x${value}\n"},
		{"rm, arm64", SetRegister, saidARM, "rm ${register} 0x${value}\n"},
		{"rm, blind", SetRegister, saidRefused, "rm\n"},
	} {
		script := tt.command.script()
		if !regexp.MustCompile(script[2].Until).MatchString(tt.looked) {
			t.Errorf("%s: %q is waited for in vain", tt.name, tt.looked)
		}
		var sent []string
		last := tt.looked
		for _, s := range script[3:] {
			if regexp.MustCompile(s.When).MatchString(last) {
				sent = append(sent, s.Send)
				last = "\r\nkdb> "
			}
		}
		if len(sent) != 2 || sent[0] != tt.want || sent[1] != "go\n" {
			t.Errorf("%s: sends %q, want %q and go", tt.name, sent, tt.want)
		}
	}
}
