package findings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// An Outcome is what runs made of one finding.
type Outcome struct {
	Finding
	Status Status
	Why    string   // the decisive evidence, in one line
	On     []Result // of each run
}

// AsRecorded reports whether the runs found what the finding's file has.
func (o Outcome) AsRecorded() bool { return o.Status == o.Expect }

// A Result is what one run made of a finding.
type Result struct {
	Kernel string
	Arch   string
	Patch  string `json:",omitempty"`
	Status Status
	Why    string     // the decisive evidence
	Steps  []Observed `json:",omitempty"`
}

// An Observed is a step as the kernel answered it.
type Observed struct {
	Setting string
	Text    string         // the act with its answer, and the kernel's word
	Want    string         `json:",omitempty"` // what is claimed instead; empty: this, or nothing
	Verdict matrix.Verdict `json:",omitempty"`
	status  Status
	decides bool
}

// Judge is what a run made of a finding. m is the run's matrix; failure is why there
// is none.
func (r Run) Judge(f Finding, m *matrix.Matrix, failure error) Result {
	res := Result{Kernel: r.Kernel, Arch: r.Arch, Patch: r.Patch}
	if m == nil {
		res.Status, res.Why = Undecided, "there is no result"
		if failure != nil {
			res.Why = failure.Error()
		}
		return res
	}
	next := map[string]int{}      // of the acts of a setting
	failed := map[string]string{} // settings in which a preparation failed: what follows there shows nothing
	for _, s := range f.Steps {
		set := f.setting(s)
		if s.Probe != "" {
			res.Steps = append(res.Steps, judgeProbe(s, set, r, m))
			continue
		}
		o := judgeAct(s, set, r, f.job(set), next[set], m)
		next[set]++
		if why := failed[set]; why != "" {
			o.status, o.Want = Undecided, ""
			o.Text += "; before it, " + why
		} else if !s.Expects() && o.status != Reproduced {
			failed[set] = o.Text
		}
		res.Steps = append(res.Steps, o)
	}
	res.Status, res.Why = sum(res.Steps, f.Setting)
	return res
}

// sum is the status of all steps, and the step that decides. A claim is refuted if
// one step shows something else, which no step after a failed preparation does. It is
// reproduced if all show what is claimed; the last
// one in the finding's own setting then stands for them.
func sum(steps []Observed, setting string) (Status, string) {
	for _, status := range []Status{Refuted, Undecided, NotApplicable} {
		for _, s := range steps {
			if s.status == status {
				return status, s.line()
			}
		}
	}
	why := "" // a finding has a step that decides
	for _, s := range steps {
		if s.decides && (why == "" || s.Setting == setting) {
			why = s.line()
		}
	}
	return Reproduced, why
}

func (o Observed) line() string {
	text := o.Setting + ": " + o.Text
	if o.Want != "" {
		text += "; claimed: " + o.Want
	}
	return text
}

// table is the run's part of the matrix.
func (r Run) table(m *matrix.Matrix) *matrix.Table {
	for i := range m.Tables {
		if m.Tables[i].Arch == r.Arch {
			return &m.Tables[i]
		}
	}
	return &matrix.Table{}
}

// judgeProbe compares a cell of the matrix with the claim.
func judgeProbe(s Step, set string, r Run, m *matrix.Matrix) Observed {
	o := Observed{Setting: set, Text: s.Probe + " did not run", status: Undecided, decides: true}
	t := r.table(m)
	row := slices.IndexFunc(t.Rows, func(row matrix.TableRow) bool { return row.Probe == s.Probe })
	col := slices.IndexFunc(t.Columns, func(c matrix.Column) bool { return c.Setting.String() == canonical(set) })
	if row < 0 || col < 0 {
		return o
	}
	c := t.Rows[row].Cells[col]
	o.Verdict, o.Text = c.Verdict, fmt.Sprintf("%s is %s", s.Probe, c.Verdict)
	if c.Why != "" {
		o.Text += ": " + c.Why
	}
	switch {
	case slices.Contains(s.Verdict, c.Verdict):
		o.status = Reproduced
	case c.Verdict == matrix.Unavailable:
		o.status = NotApplicable
	case c.Verdict.Measured():
		o.status, o.Want = Refuted, verdicts(s.Verdict)
	}
	return o
}

func verdicts(list []matrix.Verdict) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = string(v)
	}
	return strings.Join(words, " or ")
}

func canonical(set string) string {
	s, err := lockdown.ParseSetting(set)
	if err != nil {
		return set
	}
	return s.String()
}

// judgeAct compares the n-th act of a guest with the claim.
func judgeAct(s Step, set string, r Run, job string, n int, m *matrix.Matrix) Observed {
	o := Observed{Setting: set, Text: s.Act.Act() + " was not done", status: Undecided, decides: s.Expects()}
	t := r.table(m)
	col := slices.IndexFunc(t.Jobs, func(c matrix.Column) bool { return c.Job == job })
	switch {
	case col < 0:
		return o
	case !t.Jobs[col].End.Well():
		o.Text += ": " + t.Jobs[col].End.String()
		return o
	case t.Jobs[col].Observed == nil || n >= len(t.Jobs[col].Observed.Steps):
		if got := t.Jobs[col].Observed; got != nil && got.Why != "" {
			o.Text += ": " + got.Why
		}
		return o
	case t.Jobs[col].NotLocked != "":
		o.Text = s.Act.Act() + ": the setting was not in force: " + t.Jobs[col].NotLocked
		return o
	}
	got := t.Jobs[col].Observed.Steps[n]
	if !sameAct(got, s.Act) {
		o.Text += ": the results have " + got.Act() + " in its place"
		return o
	}
	if o.Text = got.String(); word(got) != "" {
		o.Text += "; " + word(got)
	}
	o.Want = s.differs(got)
	switch {
	case s.Expects() && s.absent(got): // whatever it did not log then
		o.status = Undecided
	case s.reads() && got.Err == "" && got.Cut():
		o.status, o.Want = Undecided, ""
		o.Text += "; the rest of the file was not read"
	case got.LogLost && s.needsLog(got):
		o.status, o.Want = Undecided, ""
		o.Text += "; the lab may not have seen all that the kernel logged"
	case o.Want == "":
		o.status = Reproduced
	case !s.Expects():
		o.status = Undecided
	default:
		o.status = Refuted
	}
	return o
}

// sameAct reports whether two steps do the same, to the last byte, whatever the kernel
// answered. Their printed forms are cut.
func sameAct(a, b scenarios.Step) bool {
	act := func(s scenarios.Step) scenarios.Step {
		return scenarios.Step{Call: s.Call, File: s.File, Flags: s.Flags, As: s.As, Data: s.Data, Hex: s.Hex, At: s.At, Size: s.Size, Times: s.Times, Args: append([]string{}, s.Args...)}
	}
	return reflect.DeepEqual(act(a), act(b))
}

// gone are answers of a kernel or a machine that lacks what a step is about: they
// do not show that the claim is wrong.
var gone = []string{"ENOENT", "ENOSYS", "EBADF", "ENODEV", "ENXIO"}

// absent reports whether the answer is one of these, and not the claimed one.
func (s Step) absent(got scenarios.Step) bool {
	return slices.Contains(gone, got.Err) && !slices.Contains(gone, s.Answer) && got.Err != s.RefutedBy
}

// differs is what is claimed of the step if the kernel shows something else;
// empty if it shows that.
func (s Step) differs(got scenarios.Step) string {
	switch {
	case !s.Expects() && got.Err != "":
		return Ok + ", because a later step needs it"
	case s.Answer == Ok && got.Err != "", s.Answer != "" && s.Answer != Ok && got.Err != s.Answer:
		return s.Answer
	}
	if want := s.readsOther(got); want != "" {
		return want
	}
	return s.logsOther(got)
}

// reads reports whether the claim is about what is read.
func (s Step) reads() bool { return s.Is != nil || len(s.Has) > 0 || len(s.Lacks) > 0 }

// readsOther is the claimed content if the step read another one, or nothing.
func (s Step) readsOther(got scenarios.Step) string {
	text := got.Content()
	if s.Is != nil && (got.Err != "" || text != *s.Is) {
		return fmt.Sprintf("%q", *s.Is)
	}
	for _, part := range s.Has {
		if got.Err != "" || !strings.Contains(text, part) {
			return fmt.Sprintf("a text with %q", part)
		}
	}
	for _, part := range s.Lacks {
		if got.Err != "" || strings.Contains(text, part) {
			return fmt.Sprintf("a text without %q", part)
		}
	}
	return ""
}

// logsOther is what the claim has of the log if the kernel logged something else.
func (s Step) logsOther(got scenarios.Step) string {
	switch {
	case s.Lines != nil && got.Lines != *s.Lines:
		return fmt.Sprintf("%d denial lines, and not %d", *s.Lines, got.Lines)
	case s.Most != nil && got.Lines > *s.Most:
		return fmt.Sprintf("at most %d denial lines, and not %d", *s.Most, got.Lines)
	}
	for _, part := range s.Logs {
		if !logged(got, part) {
			return fmt.Sprintf("that the kernel logs %q", part)
		}
	}
	for _, part := range s.LogsNot {
		if logged(got, part) {
			return fmt.Sprintf("that the kernel does not log %q", part)
		}
	}
	return s.namesOther(got)
}

// needsLog reports whether the claim depends on what the kernel did not log. A line
// that it must not log, and did, is not such a case, and neither is a wrong answer.
func (s Step) needsLog(got scenarios.Step) bool {
	without := s
	without.Names, without.Lines, without.Most, without.Logs, without.LogsNot = "", nil, nil, nil, nil
	switch {
	case !s.Expects() || without.Expects() && without.differs(got) != "":
		return false
	case s.Lines != nil && got.Lines > *s.Lines, s.Most != nil && got.Lines > *s.Most:
		return false
	case s.Names == Nobody && s.namesOther(got) != "", slices.ContainsFunc(s.LogsNot, func(part string) bool { return logged(got, part) }):
		return false
	}
	return s.Lines != nil || s.Most != nil || len(s.LogsNot) > 0 || s.Names == Nobody || s.logsOther(got) != ""
}

func logged(got scenarios.Step, part string) bool {
	return slices.ContainsFunc(got.Logged, func(line string) bool { return strings.Contains(line, part) })
}

// namesOther is the claimed reason if the kernel does not name it.
func (s Step) namesOther(got scenarios.Step) string {
	named := Named(got)
	switch {
	case s.Names == "":
		return ""
	case s.Names == Nobody && len(named) > 0:
		return "that the kernel names no reason"
	case s.Names != Nobody && !slices.Contains(named, s.Names):
		return "that the kernel names " + string(s.Names)
	}
	return ""
}

// Named lists the reasons that the kernel named for a step: those that it counted,
// or that of its first line.
func Named(got scenarios.Step) (list []lockdown.Reason) {
	for _, info := range lockdown.Reasons() {
		counted := slices.ContainsFunc(got.Denials, func(c scenarios.Count) bool { return c.Label == info.Label })
		if counted || strings.Contains(got.Log, ": "+info.Label+" is restricted") {
			list = append(list, info.Reason)
		}
	}
	return list
}

// word is the kernel's word on a step.
func word(got scenarios.Step) string {
	switch {
	case got.Lines > 1:
		return fmt.Sprintf("the kernel logged %d lines such as %q", got.Lines, got.Log)
	case got.Log != "":
		return fmt.Sprintf("the kernel logged %q", got.Log)
	case len(got.Denials) > 0:
		return fmt.Sprintf("the kernel counted a denial of %q at %s", got.Denials[0].Label, got.Denials[0].Site)
	case got.Err != "":
		return "the kernel names no reason of lockdown"
	}
	return ""
}

// Decide is what the results of all runs make of a finding.
func Decide(f Finding, results []Result) Outcome {
	o := Outcome{Finding: f, On: results}
	switch {
	case f.OutOfReach != "":
		o.Status, o.Why = NotApplicable, f.OutOfReach
	case len(results) == 0:
		o.Status, o.Why = NotApplicable, "not claimed for the architectures that were chosen"
	case f.Patch != "":
		o.Status, o.Why = decideHistory(results)
	default:
		o.Status, o.Why = agree(results)
	}
	return o
}

// decideHistory decides a claim about a fix: with the patch that takes it out, and
// without it.
func decideHistory(results []Result) (Status, string) {
	var with, without []Result
	for _, r := range results {
		if r.Patch != "" {
			with = append(with, r)
		} else {
			without = append(without, r)
		}
	}
	s, why := agree(with)
	if s != Reproduced {
		return s, "without the fix, " + why
	}
	fixed, whyFixed := agree(without)
	if fixed != Refuted {
		return Undecided, fmt.Sprintf("without the fix it is reproduced, and with it %s: %s", fixed, whyFixed)
	}
	for _, r := range without { // what the kernel does, without what was claimed
		if i := slices.IndexFunc(r.Steps, func(o Observed) bool { return o.status == Refuted }); i >= 0 {
			whyFixed = r.Steps[i].Setting + ": " + r.Steps[i].Text
		}
	}
	return Reproduced, fmt.Sprintf("without the fix, %s; with it, %s", why, whyFixed)
}

// agree is the status of several runs: one that all have, apart from those that do
// not apply.
func agree(results []Result) (Status, string) {
	s, why := NotApplicable, ""
	for _, r := range results {
		switch {
		case s == NotApplicable && (r.Status != NotApplicable || why == ""):
			s, why = r.Status, r.Why
		case r.Status == NotApplicable || r.Status == s:
		case r.Status == Undecided || s == Undecided:
			if s != Undecided {
				s, why = Undecided, r.Arch+": "+r.Why
			}
		default:
			return Undecided, fmt.Sprintf("%s on %s, and %s on %s: %s", s, results[0].Arch, r.Status, r.Arch, r.Why)
		}
	}
	if len(results) == 0 {
		return Undecided, "there is no result"
	}
	return s, why
}
