package page

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/words"
)

// looks are how a verdict looks, by a sign as well as by a colour, and what it means.
var looks = map[matrix.Verdict]struct{ sign, kind, meaning string }{
	matrix.Enforced:     {"✓", "good", "Denied as expected, and the kernel itself names the reason."},
	matrix.Shadowed:     {"✓", "good", "Denied as expected, by another locked reason that is checked first."},
	matrix.Open:         {"○", "open", "Allowed as expected."},
	matrix.OpenGap:      {"△", "gap", "Allowed although its reason is locked: a known way that lockdown does not check."},
	matrix.GapClosed:    {"▲", "gap", "A known gap is denied by its reason: the table of gaps is out of date."},
	matrix.Conforms:     {"✓", "good", "Lockdown's own files answered as the model does."},
	matrix.Unavailable:  {"–", "none", "The machine or the kernel lacks the target."},
	matrix.NotPlanned:   {"·", "none", "The sample of this setting does not have the probe."},
	matrix.Leak:         {"✗", "bad", "Allowed although its reason is locked, or refused and done all the same."},
	matrix.Overblocked:  {"✗", "bad", "Denied although no locked reason denies it."},
	matrix.Deviates:     {"✗", "bad", "Lockdown's own files answered otherwise than the model."},
	matrix.NotLocked:    {"?", "doubt", "Lockdown's own files show that the setting is not in force."},
	matrix.Unattributed: {"?", "doubt", "Denied, but the kernel did not name the reason: something else may have denied it."},
	matrix.Unproven:     {"?", "doubt", "The same act was not allowed with nothing locked, so nothing follows."},
	matrix.Lost:         {"!", "lost", "The guest died, hung or went silent, twice."},
	matrix.NotRun:       {"…", "lost", "Planned, and not run yet."},
}

type coverage struct {
	Name  text
	Sum   text
	Lines [][4]text // call site, reach, denials of checks, probes or why
}

type mutation struct {
	Name  text
	Sum   text
	Lines [][4]text // mutant, kind, status, detected by or why
}

// A section is a heading with lines.
type section struct {
	Head  text
	Lines []text
}

func (c *collector) coverage(list []matrix.Coverage) {
	for _, x := range list {
		present, refused, open := x.Count()
		d := coverage{Name: c.text(x.Kernel + " " + x.Arch), Sum: c.text(fmt.Sprintf("%d of %d call sites exercised: %d denied, %d only while open", refused+open, present, refused, open))}
		for _, s := range x.Sites {
			name := s.Name
			if s.Where() != "" {
				name = fmt.Sprintf("%s:%d", s.Where(), s.Line)
			}
			detail := s.Why
			if detail == "" {
				detail = words.ProbeList(s.Probes)
			}
			d.Lines = append(d.Lines, [4]text{c.text(name), c.text(string(s.Reach)), c.text(fmt.Sprintf("%d of %d", s.Denials, s.Checks)), c.text(detail)})
		}
		c.doc.Coverage = append(c.doc.Coverage, d)
	}
}

func (c *collector) mutation(list []matrix.Mutation) {
	for _, x := range list {
		killed := x.Count(matrix.Killed)
		d := mutation{Name: c.text(x.Kernel + " " + x.Arch), Sum: c.text(fmt.Sprintf("%s: %d killed, %d survived, %d with an error, %d equivalent, %d not reached",
			words.Count(len(x.Mutants), "mutant"), killed, x.Count(matrix.Survived), x.Count(matrix.MutantError), x.Count(matrix.Equivalent), x.Count(matrix.NotCovered)))}
		for _, m := range x.Mutants {
			name := m.Call
			if name == "" {
				name = m.Site + string(m.Reason)
			}
			detail := m.Why
			if len(m.By) > 0 {
				detail = string(m.DetectedBy) + ": " + strings.Join(m.By, ", ")
			}
			d.Lines = append(d.Lines, [4]text{c.text(name), c.text(string(m.Kind)), c.text(string(m.Status)), c.text(detail)})
		}
		c.doc.Mutation = append(c.doc.Mutation, d)
	}
}

func (c *collector) review(r *changes.Review) {
	if r == nil {
		return
	}
	add := func(head string, lines []string) {
		if len(lines) > 0 {
			c.doc.Review = append(c.doc.Review, section{c.text(head), texts(c, lines)})
		}
	}
	add("Series "+r.Series, append([]string{"base " + r.Base.Name + " " + r.Base.Version, "repeat: " + r.Command}, r.Notes...))
	for _, p := range r.Patches {
		add(p.Subject, append(append([]string{"files: " + strings.Join(p.Files, ", ")}, p.Build...), p.Warnings...))
	}
	for _, a := range r.Arches {
		var lines []string
		for _, x := range a.Diff.Changes {
			lines = append(lines, fmt.Sprintf("%s: %s: %s, before %s (%s): %s", x.Kind, x.Probe, x.Now, x.Before, strings.Join(x.Settings, ", "), x.Why))
		}
		add("Changes on "+a.Arch, append(lines, a.Splats...))
	}
}
