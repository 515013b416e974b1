package kdb

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
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
	outByte    = "md1c1 0xffff888000630000+2\r\n0xffff888000630002 00                                                 .\r\nkdb> "
	outNow     = "md1c1 0xffff888000630000+" + flagByte + "\r\n0xffff888000630002 " + flagValue + "                                                 .\r\nkdb> "
	outRefused = "md1c1 0xffff888000630000\r\ndiag: -22: Permission denied\r\nkdb> "
	outNoWrite = "mm1 0xffff888000630000+2 0x01\r\ndiag: -22: Permission denied\r\nkdb> "
	outMore    = "mm8 0xffff888000630000\r\ndiag: -3: Improper argument count, see usage.\r\nkdb> "
	outWritten = "mm1 0xffff888000630000+2 0x01\r\n0xffff888000630002 = 0x0000000000000001\r\nkdb> "
	outX86     = "rd\r\nax: 0000000000000067  bx: ffffffff8190c240  cx: 0000000000000000\r\nip: ffffffff810a1770 kdb> "
	outARM     = "rd\r\nx18: 0000000000000000  x19: ffff800080c5a1c0  x20: 0000000000000067\r\npc: ffffffff810a1770 kdb> "
	outOther   = "rd\r\nax: 0000000000000067  bx: " + otherWord + "  cx: 0000000000000000\r\nkdb> "
	outSet     = "rm bx 0xffffffff8190c240\r\nkdb> "
	outSetARM  = "rm x19 0xffff8000807d6558\r\n[0]kdb> "
	outPage    = "mdp 0x630000 1\r\nphys 0x0000000000630000 0807060504030201 100f0e0d0c0b0a09 ................\r\nkdb> "
	outZeros   = "mdp 0x630000 1\r\nphys 0x0000000000630000 0000000000000000 0000000000000000 ................\r\nkdb> "
	outFault   = "mdp 0x0 1\r\nkdb_getarea_size: Bad address 0x0\r\nkdb> "
)

func TestKDBJudge(t *testing.T) {
	page := &ownpage.Page{Bytes: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}
	find := func(name string) Command {
		return map[string]Command{"read": Read.reading(page, 0x630000), "write": Write, "rd": Registers, "rm": SetRegister}[name]
	}
	for _, tt := range []struct {
		command, answer string
		want            observe.Outcome
		effect          observe.Effect
	}{
		{"read", outPage, observe.Allowed, observe.Happened}, {"read", outZeros, observe.Allowed, observe.Nothing}, {"read", outRefused, observe.Denied, observe.Nothing},
		{"read", outFault, observe.Failed, ""}, {"read", outMore, observe.Failed, ""}, {"read", "", observe.Failed, ""},
		{"write", outWritten, observe.Allowed, ""}, {"write", outNoWrite, observe.Denied, observe.Nothing}, {"write", outByte, observe.Failed, ""},
		{"rd", outX86, observe.Allowed, observe.Happened}, {"rd", outARM, observe.Allowed, observe.Happened},
		{"rd", outRefused, observe.Denied, observe.Nothing}, {"rd", outByte, observe.Failed, ""},
		{"rm", outSet, observe.Allowed, ""}, {"rm", outSetARM, observe.Allowed, ""}, {"rm", outMore, observe.Allowed, ""},
		{"rm", outRefused, observe.Denied, observe.Nothing}, {"rm", outX86, observe.Failed, ""},
	} {
		command := find(tt.command)
		s := command.script()
		outputs := make([]debugger.Output, len(s.steps))
		outputs[0] = s.steps[0].Answer(outEntry)
		if tt.answer != "" {
			outputs[s.answers[0]] = s.steps[s.answers[0]].Answer(tt.answer)
		}
		r := command.judge(tt.command, s, outputs, false)
		if r.Outcome != tt.want || r.Effect != tt.effect || (r.Outcome == observe.Failed) != (r.Why != "") {
			t.Errorf("%s answered by %.200q: %+v, want %s %s", tt.command, tt.answer, r, tt.want, tt.effect)
		}
	}
}

// play follows a script as the host does: a step is skipped if the last output
// does not match its When. answer gives kdb's answer to what is sent.
func play(s script, answer func(sent string) string) (sent []string, outputs []debugger.Output) {
	last := ""
	for _, step := range s.steps {
		if step.When != "" && !regexp.MustCompile(step.When).MatchString(last) {
			outputs = append(outputs, debugger.Output{})
			continue
		}
		text := answer(step.Send)
		if step.Send != "" {
			sent = append(sent, strings.TrimSpace(step.Send))
		}
		if step.Until != "" {
			last = text
			outputs = append(outputs, step.Answer(text))
		} else {
			outputs = append(outputs, debugger.Output{Done: true})
		}
	}
	return sent, outputs
}

// TestKDBScripts plays the scripts that change something, on kernels that allow
// it, that refuse it, and that refuse it and do it all the same.
func TestKDBScripts(t *testing.T) {
	const md, mm = "md1c1 0x${task}+" + flagByte, "mm1 0x${task}+" + flagByte + " 0x"
	for _, tt := range []struct {
		name        string
		command     Command
		read, write bool // is allowed
		done        bool // is done
		flagged     bool // is set when the kernel continues
		outcome     observe.Outcome
		effect      observe.Effect
		last        string // what is given to kdb before go
	}{
		{"open", Write, true, true, true, false, observe.Allowed, observe.Happened, mm + "${value}"},
		{"sound", Write, true, false, false, false, observe.Denied, observe.Nothing, "md1c2 0x${task}+" + flagByte},
		{"sound, no reading", Write, false, false, false, false, observe.Denied, observe.Nothing, "md1c2 0x${task}+" + flagByte},
		{"refused and done", Write, true, false, true, false, observe.Denied, observe.Happened, mm + "${value}"},
		{"refused and done, no reading", Write, false, false, true, true, observe.Denied, observe.Happened, "md1c2 0x${task}+" + flagByte},
		{"nothing is done", Write, true, true, false, false, observe.Allowed, observe.Nothing, md},
		{"no reading", Write, false, true, true, false, observe.Allowed, "", mm + "00"},
		{"open", SetRegister, true, true, true, false, observe.Allowed, observe.Happened, "rm ${register} 0x${value}"},
		{"sound", SetRegister, true, false, false, false, observe.Denied, observe.Nothing, "rd"},
		{"sound, no reading", SetRegister, false, false, false, false, observe.Denied, observe.Nothing, "rm"},
		{"refused and done", SetRegister, true, false, true, false, observe.Denied, observe.Happened, "rm ${register} 0x${value}"},
		{"no reading", SetRegister, false, true, true, false, observe.Allowed, "", "rm"},
	} {
		changed := false
		s := tt.command.script()
		sent, outputs := play(s, func(sent string) string {
			const no = "diag: -22: Permission denied\r\nkdb> "
			echo := strings.TrimSuffix(sent, end) + "\r\n"
			switch verb, _, args := strings.Cut(strings.TrimSpace(sent), " "); {
			case sent == "":
				return outEntry
			case (strings.HasPrefix(verb, "md") || verb == "rd") && !tt.read:
				return echo + no
			case strings.HasPrefix(verb, "md") && changed:
				return outNow
			case strings.HasPrefix(verb, "md"):
				return outByte
			case verb == "rd" && changed:
				return outOther
			case verb == "rd":
				return outX86
			case verb == "mm1" || verb == "rm" && args:
				changed = tt.done && (strings.HasSuffix(sent, "0x"+flagValue+end) || strings.Contains(sent, otherWord))
				if !tt.write {
					return strings.Replace(echo, "${register}", "bx", 1) + no
				}
				if verb == "mm1" {
					return outWritten
				}
				return outSet
			case verb == "rm" && !tt.write:
				return echo + no
			case verb == "rm":
				return outMore
			}
			return "kdb> "
		})
		r := tt.command.judge("kdb", s, outputs, tt.flagged)
		if r.Outcome != tt.outcome || r.Effect != tt.effect {
			t.Errorf("%s, %s: %+v, want %s %s", tt.name, tt.command.Name(), r, tt.outcome, tt.effect)
		}
		if n := len(sent); n < 2 || sent[n-1] != "go" || sent[n-2] != tt.last {
			t.Errorf("%s, %s: sends %q, want %q and go", tt.name, tt.command.Name(), sent, tt.last)
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
