package nightly

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report/words"
)

// mailWidth is the width of the mail, in columns.
const mailWidth = 72

// maxListed bounds the changes of one kind that the mail has of a kernel.
const maxListed = 25

// A letter is the text of a mail.
type letter struct{ b strings.Builder }

// line writes a text, wrapped, with an indent; further lines are indented by two more.
func (l *letter) line(indent int, text string) {
	for i, s := range words.Lines(words.Clean(text), mailWidth-indent, mailWidth-indent-2) {
		if i == 1 {
			indent += 2
		}
		l.b.WriteString(strings.Repeat(" ", indent) + s + "\n")
	}
}

func (l *letter) head(text string) {
	l.b.WriteString("\n")
	l.line(0, text)
}

// mail is what changed since the night before, in lines of 72 columns; empty if nothing
// did. The first night is a change.
func (n *Night) mail() string {
	l := &letter{}
	l.steps(n)
	for _, r := range n.Runs {
		l.run(r)
	}
	if len(n.News) > 0 {
		l.head("Notes")
	}
	for _, note := range n.News {
		l.line(2, note)
	}
	if n.Before == nil {
		l.first(n)
	}
	if l.b.Len() == 0 {
		return ""
	}
	top := &letter{}
	top.line(0, n.subject())
	top.b.WriteString("\n")
	if n.Before != nil {
		top.line(0, "before: "+day(*n.Before))
	}
	top.line(0, "now: "+day(n.Line))
	top.line(0, fmt.Sprintf("lab: %s, tables %.12s", version(n.Line), n.Line.Table))
	if b := n.Before; b != nil && version(*b) != version(n.Line) {
		top.line(2, "before: "+version(*b))
	}
	if b := n.Before; b != nil && b.Table != n.Line.Table {
		top.line(2, fmt.Sprintf("before: tables %.12s", b.Table))
	}
	top.line(0, "machine: "+n.Line.Machine)
	if b := n.Before; b != nil && b.Machine != n.Line.Machine {
		top.line(2, "before: "+b.Machine)
	}
	return top.b.String() + l.b.String()
}

// version is the lab's version, with the commit if that is not in it.
func version(n history.Night) string {
	if strings.Contains(n.Lab, n.Commit) {
		return n.Lab
	}
	return n.Lab + " " + n.Commit
}

// subject is the first line, which is also a subject: what a reader must know if he
// reads no more.
func (n *Night) subject() string {
	switch {
	case n.Before == nil:
		return fmt.Sprintf("ldlab: first night, %s", n.Line.Name)
	case n.worse():
		return fmt.Sprintf("ldlab: %s is worse than %s", n.Line.Name, n.Before.Name)
	case len(newIn(n.Line.Failed, n.Before.Failed)) > 0:
		return fmt.Sprintf("ldlab: steps of %s failed that had not failed before", n.Line.Name)
	}
	return fmt.Sprintf("ldlab: %s differs from %s", n.Line.Name, n.Before.Name)
}

// newIn lists what is in now and not in before.
func newIn(now, before []string) (list []string) {
	for _, s := range now {
		if !slices.Contains(before, s) {
			list = append(list, s)
		}
	}
	return list
}

// steps tells which steps failed that had not, and which do not fail any more.
func (l *letter) steps(n *Night) {
	var before []string
	if n.Before != nil {
		before = n.Before.Failed
	}
	failed, well := newIn(n.Line.Failed, before), newIn(before, n.Line.Failed)
	if len(failed)+len(well) == 0 {
		return
	}
	l.head("Steps")
	for _, name := range failed {
		i := slices.IndexFunc(n.Steps, func(s Step) bool { return s.Name == name })
		l.line(2, fmt.Sprintf("%s failed (%s): see %s/%s.log", name, n.Steps[i].Status, Steps, name))
	}
	for _, name := range well {
		if slices.ContainsFunc(n.Steps, func(s Step) bool { return s.Name == name }) {
			l.line(2, name+" does not fail any more")
		} else {
			l.line(2, name+" had failed, and did not run")
		}
	}
}

// run tells what changed in a run.
func (l *letter) run(r Run) {
	if len(r.Diffs)+len(r.Counts)+len(r.Lines) == 0 {
		return
	}
	l.head("Run " + r.Name)
	for _, s := range r.Lines {
		l.line(2, s)
	}
	for _, s := range r.Counts {
		l.line(2, s)
	}
	for _, d := range r.Diffs {
		title := d.To + " " + d.Arch
		if d.From != d.To {
			title += ", before " + d.From
		}
		l.line(2, title)
		l.changes(d)
	}
}

// changes tells what changed in the machine code, the verdicts, the guests and the time
// of a kernel.
func (l *letter) changes(d diff.Diff) {
	var kind diff.ChangeKind
	listed := 0
	for _, c := range d.Changes {
		if c.Kind != kind {
			kind, listed = c.Kind, 0
			l.line(4, string(kind))
		}
		if listed++; listed == maxListed+1 {
			l.line(6, "and more: see "+DiffFile)
		}
		if listed > maxListed {
			continue
		}
		text := fmt.Sprintf("%s: %s, before %s (%s)", c.Probe, c.Now, c.Before, words.ProbeList(c.Settings))
		if c.Why != "" {
			text += ": " + c.Why
		}
		l.line(6, text)
	}
	for _, g := range d.Guests {
		text := fmt.Sprintf("guest %s: %s, before %s", g.Setting, g.Now, g.Before)
		if len(g.Splats) > 0 {
			text += "; its kernel reports a bug of its own: " + strings.Join(g.Splats, "; ")
		}
		l.line(4, text)
	}
	for i, c := range d.Calls {
		if i == maxListed {
			l.line(4, "and more: see "+DiffFile)
			break
		}
		l.line(4, fmt.Sprintf("checks of %s in %s: %d, before %d", c.Reason, c.Call, c.Now, c.Before))
	}
	for _, c := range d.Reasons {
		what := "is gone"
		if c.Came {
			what = "is new"
		}
		l.line(4, fmt.Sprintf("the kernel's reason %s %s", c.Reason, what))
	}
	if len(d.Missing) > 0 {
		l.line(4, "only one of both has: "+words.ProbeList(d.Missing))
	}
	for _, s := range d.Slower {
		l.line(4, fmt.Sprintf("slower: %s: %.1f s, before %.1f s", s.What, s.Now.Seconds(), s.Before.Seconds()))
	}
}

// first tells of the first night, which has nothing to be compared with.
func (l *letter) first(n *Night) {
	l.head("There is no night to compare it with.")
	for _, r := range n.Runs {
		for _, k := range r.Kernels {
			l.line(2, fmt.Sprintf("run %s, %s %s: %d of %s not as expected, %d known, %d flaky", k.Run, k.Kernel, k.Arch, k.Unexpected(), words.Count(k.All(), "cell"), k.Known(), k.Flaky()))
		}
	}
}
