// Package explain finds what lockdown has to do with what a user saw: a path, a system
// call, a line of the log, an errno. All of it comes from the lab's tables. It is
// pure.
package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// An Answer is what is known of the words that a user gave.
type Answer struct {
	Summary string   // one line: the reasons, their levels, and why
	Facts   []string `json:",omitempty"` // of the errno, the path, the message
	Reasons []Reason `json:",omitempty"`
}

// A Reason is a reason of lockdown with what the lab has of it.
type Reason struct {
	Reason   lockdown.Reason
	Level    lockdown.Level // the lowest level that locks it
	Label    string         // the kernel's text for it in a denial
	Settings []string       // under which it is locked
	Sites    []Site         `json:",omitempty"` // that check it, on the way that the words name if they name one
	Probes   []string       `json:",omitempty"` // of the same; those whose act is denied
	Open     []string       `json:",omitempty"` // what stays allowed: probes that must, and known gaps
	Claims   []string       `json:",omitempty"` // findings about these probes, or in which the kernel names the reason
}

// A Site is a call of security_locked_down().
type Site struct {
	Site  string   // file:function of v6.12
	Entry []string `json:",omitempty"` // ways into it from user space
	Needs []string `json:",omitempty"` // without which it is not compiled
}

// An UnknownError is input that names nothing that the tables have.
type UnknownError struct{ Words string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("%.80q is no path, system call, reason, errno or log line that the lab knows; if lockdown refused it, the kernel's log has a line \"Lockdown: ... is restricted\"", e.Words)
}

// maxWords bounds the input, in bytes.
const maxWords = 4 << 10

// Explain explains words: any of an errno, a path or a system call, a mode such as
// 0600 and flags of open(2); or a line of the kernel's log. The error is an
// *UnknownError, or one of the tables.
func Explain(words []string) (*Answer, error) {
	text := strings.TrimSpace(strings.Join(words, " "))
	if text == "" || len(text) > maxWords {
		return nil, &UnknownError{text}
	}
	if a := message(text); a != nil {
		return a, a.fill(nil)
	}
	if a := level(text); a != nil {
		return a, nil
	}
	in := parse(text)
	if in.empty() {
		return nil, &UnknownError{text}
	}
	return in.answer(text)
}

// answer explains input that is no line of the log.
func (in input) answer(text string) (*Answer, error) {
	a := &Answer{}
	var ways []way
	for _, p := range in.paths {
		ways = append(ways, waysOf(p, in)...)
	}
	for _, c := range in.calls {
		ways = append(ways, callWays(c)...)
	}
	for _, name := range in.names {
		more, _ := aliasWays(name)
		ways = append(ways, more...)
	}
	for _, r := range in.reasons {
		ways = append(ways, way{reason: r})
	}
	if len(ways) == 0 && len(in.errnos) == 0 {
		return nil, &UnknownError{text}
	}
	for _, e := range in.errnos {
		if len(ways) == 0 && len(in.errnos) == 1 {
			break // it is the summary
		}
		a.Facts = append(a.Facts, e+": "+errnos[e])
	}
	var notes, kinds []string
	for _, w := range ways {
		if w.note != "" && !slices.Contains(notes, w.note) {
			notes = append(notes, w.note)
		}
		info, ok := lockdown.Info(w.reason)
		if kind := fmt.Sprintf("%s, %s", w.reason, info.Level); ok && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
			a.Reasons = append(a.Reasons, Reason{Reason: w.reason})
		}
	}
	a.Summary = summary(in, kinds, notes)
	return a, a.fill(ways)
}

// summary is the first line: the words, the reasons and the notes.
func summary(in input, kinds, notes []string) string {
	head := strings.Join(in.errnos, " and ")
	if what := slices.Concat(in.paths, in.calls, in.names); len(what) > 0 {
		if head != "" {
			head += " on "
		}
		head += strings.Join(what, " and ")
	} else if head == "" {
		for _, r := range in.reasons {
			head += " " + string(r)
		}
		head = strings.TrimSpace(head)
	}
	parts := append(slices.Clip(kinds), notes...)
	switch {
	case len(kinds) == 0 && len(in.paths)+len(in.calls)+len(in.names) > 0:
		parts = append([]string{"no reason of lockdown"}, notes...)
	case len(kinds) == 0:
		parts = []string{errnos[in.errnos[0]]}
	case impossible(in):
		parts = append(parts, in.errnos[0]+" is not lockdown's answer here")
	}
	return head + ": " + strings.Join(parts, "; ")
}

// impossible reports whether none of the errnos is one that lockdown causes.
func impossible(in input) bool {
	return len(in.errnos) > 0 && !slices.ContainsFunc(in.errnos, func(e string) bool { return slices.Contains(lockdowns, e) })
}

// fill adds what the tables have of each reason. ways narrow the probes down to those
// that the user's words are about; nil: all of the reason.
func (a *Answer) fill(ways []way) error {
	for i := range a.Reasons {
		r := &a.Reasons[i]
		info, _ := lockdown.Info(r.Reason)
		r.Level, r.Label = info.Level, info.Label
		for l := info.Level; l <= lockdown.Confidentiality; l++ {
			r.Settings = append(r.Settings, l.String())
		}
		r.Settings = append(r.Settings, string(r.Reason)+" alone (kernel bitmap)")
		rows, narrow := rowsOf(r.Reason, ways)
		if err := r.claims(rows); err != nil {
			return err
		}
		for _, row := range rows {
			switch row.Expect {
			case scenarios.Checked:
				r.Probes = append(r.Probes, row.ID)
				if err := r.site(row.Site); err != nil {
					return err
				}
			case scenarios.Unchecked:
				r.Open = append(r.Open, row.ID+": "+row.Call)
			case scenarios.Gap:
				r.Open = append(r.Open, row.ID+", a known gap: "+row.Call)
			}
		}
		if !narrow {
			continue
		}
		for _, row := range allOf(r.Reason) { // the gaps of the reason, whatever the words are about
			if row.Expect == scenarios.Gap && !slices.ContainsFunc(rows, func(x scenarios.Row) bool { return x.ID == row.ID }) {
				r.Open = append(r.Open, row.ID+", a known gap: "+row.Call)
			}
		}
	}
	return nil
}

// claims adds the findings that are about the rows, or that name the reason.
func (r *Reason) claims(rows []scenarios.Row) error {
	list, err := findings.Library()
	for _, f := range list {
		if slices.ContainsFunc(f.Steps, func(s findings.Step) bool {
			return s.Names == r.Reason || slices.ContainsFunc(rows, func(row scenarios.Row) bool { return row.ID == s.Probe })
		}) {
			r.Claims = append(r.Claims, fmt.Sprintf("%s, %s: %s", f.ID, f.Expect, f.Claim))
		}
	}
	return err
}

// site adds a call site, once.
func (r *Reason) site(where string) error {
	if slices.ContainsFunc(r.Sites, func(s Site) bool { return s.Site == where }) {
		return nil
	}
	entry, err := kernels.EntryPoints(where)
	if err != nil {
		return err
	}
	needs, err := kernels.SiteNeeds(where)
	r.Sites = append(r.Sites, Site{where, entry, needs})
	return err
}

// allOf lists the rows of a reason.
func allOf(reason lockdown.Reason) (rows []scenarios.Row) {
	for _, row := range scenarios.Rows() {
		if row.Reason == reason {
			rows = append(rows, row)
		}
	}
	return rows
}

// rowsOf lists the rows of a reason that the ways are about, and reports whether
// these are fewer than all; all if the ways name none.
func rowsOf(reason lockdown.Reason, ways []way) (rows []scenarios.Row, narrow bool) {
	all := allOf(reason)
	for _, row := range all {
		if slices.ContainsFunc(ways, func(w way) bool { return w.reason == reason && w.is != "" && w.about(row) }) {
			rows = append(rows, row)
		}
	}
	if !slices.ContainsFunc(rows, func(r scenarios.Row) bool { return r.Expect == scenarios.Checked }) {
		return all, false
	}
	return rows, len(rows) < len(all)
}
