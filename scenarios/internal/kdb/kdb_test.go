package kdb

import (
	"regexp"
	"testing"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestGDBSend compares with packets of gdb and of kdb.
func TestGDBSend(t *testing.T) {
	for data, want := range map[string]string{"?": "$?#3f", "D": "$D#44", "3": "$3#33", "OK": "$OK#9a", "qSupported": "$qSupported#37"} {
		if got := gdbSend(data); got != want {
			t.Errorf("%s is sent as %s, want %s", data, got, want)
		}
	}
}

// Answers of v6.12 on x86_64 and arm64.
const (
	outEntry   = "\r\nEntering kdb (current=0xffff888000630000, pid 38) due to NonMaskable Interrupt @ 0xffffffff810a1770\r\nkdb> "
	outWord    = "md8c1 0xffff888000630000\r\n0xffff888000630000 0000000000000008                    ........\r\nkdb> "
	outRefused = "md8c1 0xffff888000630000\r\ndiag: -22: Permission denied\r\nkdb> "
	outMore    = "mm8 0xffff888000630000\r\ndiag: -3: Improper argument count, see usage.\r\nkdb> "
	outWritten = "mm8 0xffff888000630000 0x0000000000000008\r\n0xffff888000630000 = 0x0000000000000008\r\nkdb> "
	outX86     = "rd\r\nax: 0000000000000067  bx: ffffffff8190c240  cx: 0000000000000000\r\nkdb> "
	outARM     = "rd\r\nx18: 0000000000000000  x19: ffff800080c5a1c0  x20: 0000000000000067\r\nkdb> "
	outSet     = "rm bx 0xffffffff8190c240\r\nkdb> "
	outSetARM  = "rm x19 0xffff8000807d6558\r\n[0]kdb> "
	outFault   = "md8c1 0x0\r\nkdb_getarea_size: Bad address 0x0\r\nkdb> "
)

func TestKDBJudge(t *testing.T) {
	find := func(name string) Command {
		return map[string]Command{"read": Read, "write": Write, "rd": Registers, "rm": SetRegister}[name]
	}
	for _, tt := range []struct {
		command, answer string
		want            observe.Outcome
	}{
		{"read", outWord, observe.Allowed}, {"read", outRefused, observe.Denied}, {"read", outFault, observe.Failed}, {"read", outMore, observe.Failed}, {"read", "", observe.Failed},
		{"write", outWritten, observe.Allowed}, {"write", outRefused, observe.Denied}, {"write", outMore, observe.Allowed}, {"write", outWord, observe.Failed},
		{"rd", outX86, observe.Allowed}, {"rd", outARM, observe.Allowed}, {"rd", outRefused, observe.Denied}, {"rd", outWord, observe.Failed},
		{"rm", outSet, observe.Allowed}, {"rm", outSetARM, observe.Allowed}, {"rm", outRefused, observe.Denied}, {"rm", outX86, observe.Failed},
	} {
		command := find(tt.command)
		answer := command.answered(debugger.Step{}).Answer(tt.answer)
		r := command.judge([]debugger.Output{{Done: true, Text: outEntry}, answer, {Done: true}, {}})
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
		{outEntry, "", observe.Denied},
		{"+$T05thread:0000000000000026;#00", "+$E22#a9", observe.Failed},
	} {
		script := gdbReadWord("0x0")
		if r := judgeGDB("call", []debugger.Output{script[0].Answer(tt.entered), script[1].Answer(tt.answer)}); r.Outcome != tt.want {
			t.Errorf("%q, %q: %+v, want %s", tt.entered, tt.answer, r, tt.want)
		}
	}
}

// TestKDBScripts follows, as the host does, the scripts that write a value
// back: which steps run if reading is allowed, and which if it is not.
func TestKDBScripts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command Command
		looked  string
		want    string // the last text sent before "go"
	}{
		{"write", Write, outWord, "mm8 0x${task} 0x${value}\n"},
		{"write, blind", Write, outRefused, "mm8 0x${task}\n"},
		{"rm", SetRegister, outX86, "rm ${register} 0x${value}\n"},
		{"rm, arm64", SetRegister, outARM, "rm ${register} 0x${value}\n"},
		{"rm, blind", SetRegister, outRefused, "rm\n"},
	} {
		script := tt.command.script()
		if !regexp.MustCompile(script[2].Until).MatchString(tt.looked) {
			t.Errorf("%s: no match in %q", tt.name, tt.looked)
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
