package changes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

// CompareSeries compares what was measured of a base, and of the base with a series,
// which are kernels of two names. There is one entry for each architecture that both
// have.
func CompareSeries(before, now *matrix.Matrix, from, to string) ([]Arch, error) {
	diffs, err := diff.Compare(before, now, from, to)
	if err != nil {
		return nil, err
	}
	var list []Arch
	for _, d := range diffs {
		b, n := tableOf(before, from, d.Arch), tableOf(now, to, d.Arch)
		a := Arch{Arch: d.Arch, Diff: d}
		a.Reasons = shifts(before.Header.Kernel(from, d.Arch).Reasons, now.Header.Kernel(to, d.Arch).Reasons)
		compared := map[string]int{} // settings, by probe
		forCells(b, n, func(probe, setting string, x, y matrix.Cell) {
			a.answers(probe, setting, x.Observed, y.Observed)
			if a.unchecked(probe, setting, checksOf(x.Observed, before.Header.Kernel(from, d.Arch).Reasons), checksOf(y.Observed, now.Header.Kernel(to, d.Arch).Reasons)) {
				compared[probe]++
			}
		})
		// Some acts read until something comes, and are checked once more or less in one
		// guest or another. What a series changes shows in all of them.
		a.Unchecked = slices.DeleteFunc(a.Unchecked, func(u Unchecked) bool { return u.Now > 0 && len(u.Settings) < compared[u.Probe] })
		a.splats(b, n)
		a.New = unexpectedIn(b, n)
		list = append(list, a)
	}
	return list, nil
}

// unexpectedIn lists the cells with an unexpected verdict in settings that only the
// kernel with the series has: single reasons, mostly.
func unexpectedIn(b, n matrix.Table) (list []diff.Change) {
	for i, c := range n.Columns {
		if slices.ContainsFunc(b.Columns, func(x matrix.Column) bool { return x.Setting.String() == c.Setting.String() }) {
			continue
		}
		for _, row := range n.Rows {
			v := row.Cells[i]
			if v.Verdict.Expected() {
				continue
			}
			j := slices.IndexFunc(list, func(x diff.Change) bool { return x.Probe == row.Probe && x.Now == v.Verdict })
			if j >= 0 {
				list[j].Settings = append(list[j].Settings, c.Setting.String())
			} else {
				list = append(list, diff.Change{Kind: diff.NewlyUnexpected, Probe: row.Probe, Before: matrix.NotPlanned, Now: v.Verdict, Settings: []string{c.Setting.String()}, Why: v.Why, Rule: v.Rule})
			}
		}
	}
	return list
}

func tableOf(m *matrix.Matrix, kernel, arch string) matrix.Table {
	for _, t := range m.Tables {
		if t.Kernel == kernel && t.Arch == arch {
			return t
		}
	}
	return matrix.Table{}
}

// forCells calls do for every cell that both tables have.
func forCells(b, n matrix.Table, do func(probe, setting string, before, now matrix.Cell)) {
	for _, row := range n.Rows {
		i := slices.IndexFunc(b.Rows, func(r matrix.TableRow) bool { return r.Probe == row.Probe })
		if i < 0 {
			continue
		}
		for k, c := range n.Columns {
			j := slices.IndexFunc(b.Columns, func(x matrix.Column) bool { return x.Setting.String() == c.Setting.String() })
			if j >= 0 {
				do(row.Probe, c.Setting.String(), b.Rows[i].Cells[j], row.Cells[k])
			}
		}
	}
}

// answers compares the answers of lockdown's files, operation by operation. After one
// that differs, the files may be in another state, so that others differ, too.
func (a *Arch) answers(probe, setting string, before, now *scenarios.Observation) {
	if before == nil || now == nil {
		return
	}
	for i := 0; i < min(len(before.Ops), len(now.Ops)); i++ {
		x, y := before.Ops[i], now.Ops[i]
		if withoutAnswer(x) != withoutAnswer(y) {
			return // the two kernels got different calls
		}
		if x.Returned() == y.Returned() {
			continue
		}
		j := slices.IndexFunc(a.Answers, func(c AnswerChange) bool {
			return c.Probe == probe && c.Op == withoutAnswer(y) && c.Before == x.Returned() && c.Now == y.Returned()
		})
		if j < 0 {
			a.Answers = append(a.Answers, AnswerChange{Probe: probe, Op: withoutAnswer(y), Before: x.Returned(), Now: y.Returned()})
			j = len(a.Answers) - 1
		}
		if !slices.Contains(a.Answers[j].Settings, setting) {
			a.Answers[j].Settings = append(a.Answers[j].Settings, setting)
		}
	}
}

// withoutAnswer is an operation without its answer.
func withoutAnswer(op lockdown.Op) string {
	if op.Call == "read" {
		return fmt.Sprintf("read %s", op.File)
	}
	return fmt.Sprintf("write %q to %s", op.Data, op.File)
}

// unchecked compares which reasons the kernel checked during the same act, if both ran
// it as often. It reports whether it could.
func (a *Arch) unchecked(probe, setting string, x, y *checked) bool {
	if x == nil || y == nil || x.runs != y.runs {
		return false
	}
	for _, reason := range sortedKeys(x.reasons) {
		was, is := x.reasons[reason], y.reasons[reason]
		if is >= was {
			continue
		}
		j := slices.IndexFunc(a.Unchecked, func(u Unchecked) bool { return u.Probe == probe && u.Reason == reason })
		if j < 0 {
			a.Unchecked = append(a.Unchecked, Unchecked{Probe: probe, Reason: reason, Before: was, Now: is})
			j = len(a.Unchecked) - 1
		}
		u := &a.Unchecked[j]
		if is < u.Now {
			u.Before, u.Now = was, is
		}
		u.Settings = append(u.Settings, setting)
	}
	return true
}

// A checked is what a probe's own process met.
type checked struct {
	runs    int
	reasons map[string]int // checks
}

// checksOf counts the checks that a probe's own process met, by reason. The kernel
// counts by the text of the reason, which differs between kernels; nil if the probe was
// not observed.
func checksOf(o *scenarios.Observation, has lockdown.KernelReasons) *checked {
	if o == nil {
		return nil
	}
	if has == nil {
		has = lockdown.Reasons()
	}
	n := &checked{o.Runs, map[string]int{}}
	for _, c := range o.Checks {
		if c.Comm != o.Comm {
			continue
		}
		name := c.Label
		if i := slices.IndexFunc(has, func(r lockdown.ReasonInfo) bool { return r.Label == c.Label && c.Label != "" }); i >= 0 {
			name = string(has[i].Reason)
		}
		n.reasons[name] += c.Checks
	}
	return n
}

func sortedKeys(m map[string]int) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// splats lists the kernel's reports of its own bugs, and guests that did not end well,
// which the series has and the base has not.
func (a *Arch) splats(b, n matrix.Table) {
	known := map[string]bool{}
	for _, c := range b.Columns {
		for _, s := range c.Splats {
			known[s] = true
		}
	}
	for _, c := range n.Columns {
		for _, s := range c.Splats {
			if !known[s] {
				known[s] = true
				a.Splats = append(a.Splats, c.Setting.String()+": "+s)
			}
		}
		j := slices.IndexFunc(b.Columns, func(x matrix.Column) bool { return x.Setting.String() == c.Setting.String() })
		if !c.End.Well() && (j < 0 || b.Columns[j].End.Well()) {
			a.Boots = append(a.Boots, c.Setting.String()+": "+c.End.String())
		}
	}
}

// shifts compares the enums of reasons: what is new, gone, without a text, of another
// level or text, and which values a new one shifts.
func shifts(b, n lockdown.KernelReasons) (list []ReasonShift) {
	if b == nil || n == nil {
		return nil
	}
	for i, r := range n {
		old := slices.IndexFunc(b, func(o lockdown.ReasonInfo) bool { return o.Reason == r.Reason })
		if old < 0 {
			list = append(list, newReason(b, n, i))
			continue
		}
		if b[old].Level != r.Level {
			list = append(list, ReasonShift{r.Reason, r.Level > b[old].Level, fmt.Sprintf("%s belongs to %s now, and belonged to %s", r.Reason, r.Level, b[old].Level)})
		}
		if b[old].Label != r.Label {
			list = append(list, ReasonShift{r.Reason, r.Label == "", fmt.Sprintf("the text of %s is %q now, and was %q: programs that read the log look for the text", r.Reason, r.Label, b[old].Label)})
		}
	}
	for _, r := range b {
		if !n.Has(r.Reason) {
			list = append(list, ReasonShift{r.Reason, true, fmt.Sprintf("%s is gone", r.Reason)})
		}
	}
	return list
}

// newReason describes a reason that the base does not have.
func newReason(b, n lockdown.KernelReasons, at int) ReasonShift {
	r := n[at]
	s := ReasonShift{Reason: r.Reason, Text: fmt.Sprintf("%s is new, of level %s", r.Reason, r.Level)}
	if r.Label == "" {
		s.Grave = true
		s.Text += "; it has no text in lockdown_reasons[], so that the log prints (null) for it"
	}
	var later []string
	for _, o := range n[at+1:] {
		if b.Has(o.Reason) {
			later = append(later, string(o.Reason))
		}
	}
	switch {
	case len(later) == 1:
		s.Text += fmt.Sprintf("; it shifts the value of %s", later[0])
	case len(later) > 1:
		s.Text += fmt.Sprintf("; it shifts the values of %d reasons, from %s to %s", len(later), later[0], later[len(later)-1])
	}
	if r.Level == lockdown.Integrity {
		s.Text += ", and of both markers of levels"
	}
	if len(later) > 0 || r.Level == lockdown.Integrity {
		s.Text += ": BPF LSM programs compare values, and a bitmap of reasons has other bits"
	}
	return s
}

// IntoHelpers joins calls that are gone with a new one of the same reason in another
// function of the file, if every way to the old call leads to the new one now: the check
// moved into a helper. Several calls may have moved into one.
func IntoHelpers(calls []diff.CallChange, before, now []lockdown.Caller) (list []diff.CallChange) {
	joined := map[string]bool{} // new calls that are told with the old ones
	for _, c := range calls {
		i := slices.IndexFunc(calls, func(n diff.CallChange) bool {
			return c.Gone() && c.Reason != "" && n.Before == 0 && n.Now > 0 && n.Reason == c.Reason && fileOf(n.Call) == fileOf(c.Call) && leads(c.Call, before, n.Call, now)
		})
		if i >= 0 {
			joined[calls[i].Call] = true
			c.From, c.Call, c.Now = c.Call, calls[i].Call, calls[i].Now
		}
		list = append(list, c)
	}
	return slices.DeleteFunc(list, func(c diff.CallChange) bool { return c.From == "" && c.Before == 0 && joined[c.Call] })
}

// leads reports whether every caller of one site is a caller of the other; false if
// there is none.
func leads(from string, before []lockdown.Caller, to string, now []lockdown.Caller) bool {
	n := 0
	for _, b := range before {
		if b.Site != from {
			continue
		}
		n++
		if !slices.ContainsFunc(now, func(c lockdown.Caller) bool { return c.Site == to && c.Name == b.Name }) {
			return false
		}
	}
	return n > 0
}

func fileOf(call string) string { file, _, _ := strings.Cut(call, ":"); return file }

// CompareCallers lists the ways into call sites that one of two kernels has. A caller of
// a call that moved goes with it.
func CompareCallers(b, n []lockdown.Caller, calls []diff.CallChange) (list []CallerChange) {
	was := map[string]string{}
	for _, c := range calls {
		if c.From != "" {
			was[c.From] = c.Call
		}
	}
	key := func(c lockdown.Caller, old bool) string {
		if to, ok := was[c.Site]; ok && old {
			return to + " " + c.Name
		}
		return c.Site + " " + c.Name
	}
	before, now := map[string]bool{}, map[string]bool{}
	for _, c := range b {
		before[key(c, true)] = true
	}
	for _, c := range n {
		if now[key(c, false)] = true; !before[key(c, false)] {
			list = append(list, CallerChange{c.Site, c.Name, true})
		}
	}
	for _, c := range b {
		if !now[key(c, true)] {
			list = append(list, CallerChange{c.Site, c.Name, false})
		}
	}
	slices.SortFunc(list, func(x, y CallerChange) int { return strings.Compare(x.Site+" "+x.Name, y.Site+" "+y.Name) })
	return slices.Compact(list)
}

// Attribute notes, for each cell that changed, that it has its final verdict after a
// patch; m has the kernel until that patch. What an earlier patch changed stays that one's.
func (a *Arch) Attribute(m *matrix.Matrix, patch string) {
	for _, t := range m.Tables {
		if t.Arch != a.Arch {
			continue
		}
		for _, c := range a.Diff.Changes {
			i := slices.IndexFunc(t.Rows, func(r matrix.TableRow) bool { return r.Probe == c.Probe })
			for j, col := range t.Columns {
				setting := col.Setting.String()
				if i >= 0 && slices.Contains(c.Settings, setting) && t.Rows[i].Cells[j].Verdict == c.Now {
					a.attribute(c, setting, patch)
				}
			}
		}
	}
}

// AttributeRest attributes the cells that are left to the last patch.
func (a *Arch) AttributeRest(patch string) {
	for _, c := range a.Diff.Changes {
		for _, setting := range c.Settings {
			a.attribute(c, setting, patch)
		}
	}
}

func (a *Arch) attribute(c diff.Change, setting, patch string) {
	if !slices.ContainsFunc(a.Each, func(e EachChange) bool { return e.Probe == c.Probe && e.Setting == setting }) {
		a.Each = append(a.Each, EachChange{c.Probe, setting, patch, c.Now})
	}
}
