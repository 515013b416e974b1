package results

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// What a report keeps of a guest. One of the default plan has texts of at most 250
// bytes, files of lockdown with 4 KiB, logs of ten lines, and lists of 300 entries.
const (
	maxText  = 4 << 10  // bytes of a text
	maxData  = 64 << 10 // bytes of a file of lockdown, which is compared
	maxLines = 4 << 10  // bytes of the first lines; lines on which verdicts rest have as many again
	maxEnd   = 16 << 10 // bytes of the end of a console
	maxItems = 4 << 10  // entries of a list
)

// A keeper bounds the texts and lists of results, so that a file of any size can be
// reported. What is left out of a text has a mark, and changes no verdict. Texts that
// are the same in several results are in memory once, as most of a plan's are.
type keeper struct {
	texts map[string]string
	over  string // what the result has too much of, although verdicts rest on it
}

// keep bounds a result. It returns why the result cannot be kept: it has too much of what
// verdicts rest on.
func (k *keeper) keep(r *matrix.Result) string {
	k.over = ""
	k.cut(&r.End.Detail, &r.End.Cause, &r.End.Command, &r.Origin.Base, &r.Origin.ImageSHA256, &r.Origin.GuestSHA256, &r.Host.QEMU)
	k.console(&r.End)
	k.steps(r.Steps)
	count(k, r.Machines, "machines")
	for i := range r.Machines {
		m := &r.Machines[i]
		k.cut(&m.Profile, &m.Command)
		count(k, m.Timing, "phases")
		count(k, m.States, "states")
		count(k, m.Observations, "observations")
		for j := range m.States {
			k.state(&m.States[j])
		}
		for j := range m.Observations {
			k.observation(&m.Observations[j])
		}
	}
	return k.over
}

func (k *keeper) state(s *scenarios.State) {
	k.cut(&s.When, &s.Release, &s.Version, &s.Machine, &s.Cmdline, &s.LSM)
	k.bound(&s.Level, maxData)
	k.bound(&s.Reasons, maxData)
	k.checks(s.Checks)
	count(k, s.Marks, "marks")
	k.lines(&s.Log, isDenial)
	k.lines(&s.Splats, nil)
	k.lines(&s.Errors, func(line string) bool { return strings.HasPrefix(line, guestproto.LockFailed) })
}

func (k *keeper) observation(o *scenarios.Observation) {
	k.cut(&o.Probe, &o.Comm)
	k.report(&o.Report)
	k.lines(&o.Log, isDenial)
	k.lines(&o.Left, func(line string) bool { return strings.Contains(line, lockdown.LevelFile) })
	k.checks(o.Checks)
	count(k, o.Variants, "variants")
	for i := range o.Variants {
		k.cut(&o.Variants[i].Args)
		k.report(&o.Variants[i].Report)
	}
}

func (k *keeper) report(r *scenarios.Report) {
	k.cut((*string)(&r.Outcome), (*string)(&r.Effect), &r.Errno, &r.Call, &r.Why, &r.Face, &r.Look)
	count(k, r.Ops, "operations")
	for i := range r.Ops {
		k.cut(&r.Ops[i].Call, &r.Ops[i].File, &r.Ops[i].Err)
		k.bound(&r.Ops[i].Data, maxData)
	}
	k.steps(r.Steps)
}

func (k *keeper) steps(list []scenarios.Step) {
	count(k, list, "steps")
	for i := range list {
		s := &list[i]
		count(k, s.Args, "arguments")
		count(k, s.Denials, "denials")
		k.cut(&s.Call, &s.File, &s.As, &s.Err, &s.Log)
		for _, text := range []*string{&s.Data, &s.Hex, &s.Read, &s.ReadHex} {
			k.bound(text, maxData)
		}
		for j := range s.Args {
			k.cut(&s.Args[j])
		}
		for j := range s.Denials {
			k.cut(&s.Denials[j].Label, &s.Denials[j].Site)
		}
		k.lines(&s.Logged, nil)
	}
}

func (k *keeper) checks(list []scenarios.Check) {
	count(k, list, "checks")
	for i := range list {
		k.cut(&list[i].Site, &list[i].Label, &list[i].Comm)
	}
}

// count reports a list that is too long. No entry can be left out, because verdicts rest on
// all.
func count[T any](k *keeper, list []T, what string) {
	if len(list) > maxItems {
		k.over = fmt.Sprintf("%d %s, and a report reads at most %d", len(list), what, maxItems)
	}
}

func (k *keeper) cut(texts ...*string) {
	for _, t := range texts {
		k.bound(t, maxText)
	}
}

// bound keeps the beginning of a text, and shares it.
func (k *keeper) bound(text *string, most int) {
	*text = shorten(*text, most)
	if same, ok := k.texts[*text]; ok {
		*text = same
	} else {
		k.texts[*text] = *text
	}
}

func shorten(text string, most int) string {
	if n := len(text) - most; n > 0 {
		return strings.ToValidUTF8(text[:most], "") + mark(n)
	}
	return text
}

func mark(bytes int) string { return fmt.Sprintf(" [cut: %d bytes]", bytes) }

// isDenial finds the lines on which verdicts rest.
func isDenial(line string) bool {
	return strings.Contains(line, "Lockdown: ") && strings.Contains(line, " is restricted")
}

// lines keeps the first lines of a list, and of the others those that matter, each once.
func (k *keeper) lines(list *[]string, matters func(string) bool) {
	var kept []string
	seen, room, left := map[string]bool{}, map[bool]int{false: maxLines, true: maxLines}, 0
	for _, line := range *list {
		size := len(line)
		line = shorten(line, maxText-100) // with its mark there is room for one
		grave := false
		if room[false] < len(line)+1 {
			if grave = matters != nil && matters(line); !grave || seen[line] {
				left += size
				continue
			}
			if room[true] < len(line)+1 {
				k.over = fmt.Sprintf("more than %d bytes of lines on which verdicts rest", maxLines)
				return
			}
		}
		room[grave] -= len(line) + 1
		k.bound(&line, maxText)
		kept, seen[line] = append(kept, line), true
	}
	if *list = kept; left > 0 {
		*list = append(kept, strings.TrimSpace(mark(left)))
	}
}

// console keeps the last lines of a console.
func (k *keeper) console(e *matrix.End) {
	left, n := maxEnd, len(e.Console)
	for ; n > 0 && left > 0; n-- {
		line := shorten(e.Console[n-1], maxText)
		left -= len(line) + 1
		k.bound(&line, 2*maxText)
		e.Console[n-1] = line
	}
	if n > 0 {
		cut := 0
		for _, line := range e.Console[:n] {
			cut += len(line)
		}
		e.Console = append([]string{strings.TrimSpace(mark(cut))}, e.Console[n:]...)
	}
}
