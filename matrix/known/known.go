// Package known has known issues: cells that are known not to be as expected. A list
// names them with the verdict that they have, the reason, a link and the last day on
// which that is accepted. Such a cell has the verdict matrix.Known and never one that
// is as expected.
package known

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/internal/strictyaml"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Day is the layout of the last day of an issue.
const Day = time.DateOnly

// Limits of a list.
const (
	MaxFile    = 256 << 10 // bytes
	maxEntries = 1000
)

// A List is a file of known issues. A nil List has none.
type List struct{ entries []entry }

// An entry is one known issue.
type entry struct {
	place                        string // file:line
	kernel, arch, setting, probe pattern
	verdict                      matrix.Verdict
	reason, link                 string
	until                        time.Time // the last day on which it counts
}

type document struct {
	Known []struct {
		Kernel  string `yaml:"kernel"`
		Arch    string `yaml:"arch"`
		Setting string `yaml:"setting"`
		Probe   string `yaml:"probe"`
		Verdict string `yaml:"verdict"`
		Reason  string `yaml:"reason"`
		Link    string `yaml:"link"`
		Until   string `yaml:"until"`
	} `yaml:"known"`
}

// Parse reads a list. name is the name of its file. The error is a *strictyaml.Error.
func Parse(name string, text []byte) (*List, error) {
	if len(text) > MaxFile {
		return nil, &strictyaml.Error{File: name, Line: 1, Column: 1, Text: fmt.Sprintf("%d bytes, at most %d", len(text), MaxFile)}
	}
	var doc document
	f, err := strictyaml.Decode(name, "list of known issues", text, &doc)
	switch {
	case err != nil:
		return nil, err
	case len(doc.Known) == 0:
		return nil, f.At("", "the key known, with a list of issues, is missing")
	case len(doc.Known) > maxEntries:
		return nil, f.At("$.known", "%d issues, at most %d", len(doc.Known), maxEntries)
	}
	l := &List{}
	for i, raw := range doc.Known {
		where := fmt.Sprintf("$.known[%d]", i)
		line, _ := f.Place(where + ".probe")
		e := entry{place: fmt.Sprintf("%s:%d", name, line), kernel: star(raw.Kernel), arch: star(raw.Arch), setting: star(raw.Setting), probe: compile(raw.Probe),
			verdict: matrix.Verdict(raw.Verdict), reason: strings.Join(strings.Fields(raw.Reason), " "), link: raw.Link}
		if err := e.check(f, where, raw.Until); err != nil {
			return nil, err
		}
		l.entries = append(l.entries, e)
	}
	return l, nil
}

// star is a pattern, or that of everything.
func star(text string) pattern {
	if text == "" {
		text = "*"
	}
	return compile(text)
}

// check checks an entry's values, and completes it.
func (e *entry) check(f strictyaml.File, where, until string) (err error) {
	for _, key := range []struct{ name, value string }{{"probe", e.probe.text}, {"verdict", string(e.verdict)}, {"reason", e.reason}, {"link", e.link}, {"until", until}} {
		if key.value == "" {
			return f.At(where+"."+key.name, "a known issue needs %s", key.name)
		}
	}
	if !e.probe.wild() {
		if _, ok := scenarios.Find(e.probe.text); !ok {
			return f.At(where+".probe", "there is no probe %q: \"ldlab list probes\"", e.probe.text)
		}
	}
	if !e.setting.wild() {
		s, err := lockdown.ParseSetting(e.setting.text)
		if err != nil {
			return f.At(where+".setting", "%v", err)
		}
		e.setting = compile(s.String())
	}
	if !slices.Contains(Verdicts(), e.verdict) {
		return f.At(where+".verdict", "verdict %q: one of %s", e.verdict, names(Verdicts()))
	}
	if u, err := url.Parse(e.link); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return f.At(where+".link", "link %q: an address that begins with https:// or http://", e.link)
	}
	if e.until, err = time.Parse(Day, until); err != nil {
		return f.At(where+".until", "until %q: a day, such as 2027-01-31", until)
	}
	return nil
}

// Verdicts lists the verdicts that an issue may name: those that are not as expected,
// but for a cell that did not run, of which nothing is known.
func Verdicts() []matrix.Verdict {
	return slices.DeleteFunc(matrix.Verdicts(), func(v matrix.Verdict) bool { return v.Expected() || v == matrix.Known || v == matrix.NotRun })
}

func names(list []matrix.Verdict) string {
	var all []string
	for _, v := range list {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}

// Apply compares a matrix with the list on a day: its cells that have the verdict of
// an issue become known, and its Issues tell what became of each. A cell with another
// verdict than the issue's stays as it is. A matrix is compared with one list, once.
func (l *List) Apply(m *matrix.Matrix, today time.Time) {
	if l == nil {
		return
	}
	m.Issues = nil
	for _, e := range l.entries {
		issue := matrix.Issue{Place: e.place, Cell: e.where(), Verdict: e.verdict, Reason: e.reason, Link: e.link, Until: e.until.Format(Day)}
		live := !day(today).After(e.until)
		flaky := false
		for _, t := range m.Tables {
			if !e.kernel.matches(t.Kernel) || !e.arch.matches(t.Arch) {
				continue
			}
			for j, c := range t.Columns {
				if !e.setting.matches(c.Setting.String()) {
					continue
				}
				for k := range t.Rows {
					if !e.probe.matches(t.Rows[k].Probe) {
						continue
					}
					seen := e.seen(&t.Rows[k].Cells[j], e.possible(c.Setting, t.Rows[k].Reason), m.Issues, &issue, live)
					flaky = flaky || seen
				}
			}
		}
		issue.State = state(live, issue, flaky)
		m.Issues = append(m.Issues, issue)
	}
}

// where names the entry's cells: its patterns without those of everything.
func (e entry) where() string {
	all := slices.DeleteFunc([]string{e.kernel.text, e.arch.text, e.setting.text}, func(p string) bool { return p == "*" })
	return strings.Join(append(all, e.probe.text), " ")
}

// possible reports whether a cell of a probe under a setting can have the entry's
// verdict: where a reason is not locked nothing leaks, and so nothing there shows that a
// leak is gone.
func (e entry) possible(s lockdown.Setting, reason lockdown.Reason) bool {
	switch e.verdict {
	case matrix.Leak, matrix.Unattributed:
		return s.Locks(reason)
	case matrix.NotLocked:
		return s.Locked()
	case matrix.Overblocked:
		return !s.Locks(reason)
	}
	return true
}

// seen counts a cell that the entry names, and makes it known if it has the entry's
// verdict. possible: it can have that. It reports whether the cell is flaky, and has that
// verdict at times.
func (e entry) seen(cell *matrix.Cell, possible bool, earlier []matrix.Issue, issue *matrix.Issue, live bool) (flaky bool) {
	v := cell.Verdict
	if v == matrix.Known { // of an earlier entry: this one may name it, too
		v = earlier[cell.Issue-1].Verdict
	}
	if v == e.verdict || possible && e.measured(v) {
		issue.Of++
	}
	if v != e.verdict {
		return v == matrix.Flaky && cell.Of == e.verdict
	}
	issue.Cells++
	if cell.Verdict == matrix.Known || !live {
		return false
	}
	why := strings.TrimSuffix(fmt.Sprintf("%s: %s", v, cell.Why), ": ")
	cell.Issue, cell.Of, cell.Verdict = len(earlier)+1, cell.Seen(), matrix.Known
	cell.Why = fmt.Sprintf("%s; known until %s: %s, %s", why, issue.Until, e.reason, e.link)
	return false
}

// measured reports whether a cell's verdict shows that the issue happens, or that it
// does not. A lost guest shows nothing of a leak, and a target that is absent neither.
func (e entry) measured(v matrix.Verdict) bool {
	switch {
	case v == matrix.NotRun, v == matrix.NotPlanned, v == matrix.Lost, v == matrix.Unproven:
		return false
	case v == matrix.Unavailable:
		return !e.verdict.Measured()
	}
	return true
}

func state(live bool, issue matrix.Issue, flaky bool) matrix.IssueState {
	switch {
	case !live:
		return matrix.IssueExpired
	case issue.Cells > 0 || flaky:
		return matrix.IssueHappens
	case issue.Of > 0:
		return matrix.IssueGone
	}
	return matrix.IssueUntouched
}

// day is the beginning of a time's day, as the user's calendar has it.
func day(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// Unknown reports whether a guest of the matrix ended well, and has a cell that is not
// as expected and is no known issue.
func Unknown(m *matrix.Matrix, g matrix.Guest) bool {
	for _, t := range m.Tables {
		if t.Kernel != g.Kernel || t.Arch != g.Arch || len(g.Steps) > 0 {
			continue
		}
		i := slices.IndexFunc(t.Columns, func(c matrix.Column) bool {
			return c.Setting.String() == g.Setting.String() && c.Tries > 0 && c.End.Well()
		})
		return i >= 0 && slices.ContainsFunc(t.Rows, func(r matrix.TableRow) bool {
			v := r.Cells[i].Verdict
			return !v.Expected() && v != matrix.Known
		})
	}
	return false
}

// A pattern matches whole texts: * stands for any characters, / included, and ? for one.
type pattern struct {
	text string
	re   *regexp.Regexp
}

func compile(text string) pattern {
	re := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
	return pattern{text, regexp.MustCompile("(?s)^(?:" + re + ")$")}
}

func (p pattern) matches(text string) bool { return p.re.MatchString(text) }

// wild reports whether a pattern may match several texts.
func (p pattern) wild() bool { return strings.ContainsAny(p.text, "*?") }
