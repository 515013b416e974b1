package nightly

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/matrix/known"
	"github.com/ldlab/ldlab/report"
)

// Options are what the end of a night needs to know.
type Options struct {
	Keep    int         // nights that are kept; 0: all
	Known   *known.List // known issues
	Lab     string      // version of the lab
	Commit  string      // of its source
	Table   string      // digest of its tables
	Machine string      // name and processor
	Now     time.Time
}

// A Night is a night that ended, beside the one before it.
type Night struct {
	Dir     string
	Line    history.Night
	Before  *history.Night // nil: this is the first
	Steps   []Step
	Runs    []Run
	Notes   []string // what the user must know, and what no run tells
	News    []string // of the notes, those that the mail has: they are newer than the night before
	Beside  []Beside // what there is of coverage, mutants, claims and reviews
	Mail    string   // empty: nothing changed
	Removed []string // directories of nights that were too old
}

// A Step is a step of a night.
type Step struct {
	Name   string
	Status string // ok, or what went wrong
}

// The status of a step that went well, and of one that was begun and has no end.
const (
	stepOK         = "ok"
	stepUnfinished = "not finished"
)

// maxStatus bounds what is read of a step's exit status, in bytes.
const maxStatus = 40

// A Run is a directory of a night that has results.
type Run struct {
	Name    string
	Kernels []history.Kernel
	Good    bool        // every cell is as expected, or known
	Damaged bool        // what it left this night cannot be read, or not all of it
	Diffs   []diff.Diff // against the night before, but for kernels of which nothing changed
	Counts  []string    // instead, if only the history has the night before: which counts changed
	Lines   []string    // what else changed: known issues, a run that cannot be read, or that one night lacks
}

// Good reports whether all steps of the night went well, what they left can be read, and
// nothing is worse than the night before.
func (n *Night) Good() bool {
	return len(n.Line.Failed) == 0 && !n.worse()
}

// worse reports whether a run is worse than the night before. Nobody knows that of a run
// that is damaged.
func (n *Night) worse() bool {
	return slices.ContainsFunc(n.Runs, func(r Run) bool { return r.Damaged || slices.ContainsFunc(r.Diffs, diff.Diff.Regressed) })
}

// End ends the night of dir: it reads what its steps left, compares it with the night
// before, adds a line to the history, writes the pages and the mail, and removes nights
// that are too old. It may be called again if a night goes on after its end.
func End(dir string, o Options) (*Night, error) {
	m, err := readMark(dir)
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(filepath.Clean(dir))
	n := &Night{Dir: dir, Line: history.Night{Name: filepath.Base(dir), Begun: m.Begun, Ended: o.Now.UTC().Truncate(time.Second), Lab: o.Lab, Commit: o.Commit, Table: o.Table, Machine: o.Machine}}
	if o.Now.Before(m.Begun) {
		n.news(backwards(n.Line.Name, m.Begun, o.Now))
	}
	if err := n.steps(); err != nil {
		return nil, err
	}
	past, err := n.past(root)
	if err != nil {
		return nil, err
	}
	if err := n.compare(root, o); err != nil {
		return nil, err
	}
	if err := n.compareStates(root); err != nil {
		return nil, err
	}
	if err := n.beside(); err != nil {
		return nil, err
	}
	n.Mail = n.mail()
	if err := n.write(root, append(past, n.Line), o); err != nil {
		return nil, err
	}
	m.Ended = n.Line.Ended
	if m.Files, err = filesOf(dir); err != nil {
		return nil, err
	}
	if err := m.write(dir); err != nil {
		return nil, err
	}
	if err := renameio.Symlink(n.Line.Name, filepath.Join(root, Latest)); err != nil {
		return nil, fmt.Errorf("link night: %w", err)
	}
	removed, notes, err := prune(root, dir, o.Keep)
	n.Removed, n.Notes = removed, append(n.Notes, notes...)
	return n, err
}

// steps reads how the steps ended.
func (n *Night) steps() error {
	entries, err := os.ReadDir(filepath.Join(n.Dir, Steps))
	if err != nil {
		return fmt.Errorf("read steps: %w", err)
	}
	has := map[string]bool{}
	for _, e := range entries {
		has[e.Name()] = true
	}
	for _, e := range entries {
		name, isLog := strings.CutSuffix(e.Name(), ".log")
		if !isLog {
			continue
		}
		s := Step{name, stepUnfinished}
		switch {
		case has[name+".done"]:
			s.Status = stepOK
		case has[name+".failed"]:
			text, err := os.ReadFile(filepath.Join(n.Dir, Steps, name+".failed"))
			if err != nil {
				return fmt.Errorf("read steps: %w", err)
			}
			s.Status = "exit status " + strings.TrimSpace(string(text[:min(len(text), maxStatus)]))
		}
		if s.Status != stepOK {
			n.Line.Failed = append(n.Line.Failed, name)
		}
		n.Steps = append(n.Steps, s)
	}
	return nil
}

// past reads the nights before this one, and finds the last of them.
func (n *Night) past(root string) ([]history.Night, error) {
	nights, notes, err := history.Load(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	nights = slices.DeleteFunc(nights, func(o history.Night) bool { return o.Name == n.Line.Name })
	last := 0
	if len(nights) > 0 {
		n.Before = &nights[len(nights)-1]
		last = n.Before.Line
		if n.Before.Begun.After(n.Line.Begun) {
			n.news(fmt.Sprintf("the clock went backwards: %s was begun at %s, and the night before it, %s, at %s",
				n.Line.Name, n.Line.Begun.Format(time.RFC3339), n.Before.Name, n.Before.Begun.Format(time.RFC3339)))
		}
	}
	for _, note := range notes {
		if text := "history: " + note.Text; note.Line > last && !note.Clock {
			n.news(text)
		} else { // an earlier night's mail had it
			n.Notes = append(n.Notes, text)
		}
	}
	return nights, nil
}

// news adds a note that no mail had yet.
func (n *Night) news(text string) { n.Notes, n.News = append(n.Notes, text), append(n.News, text) }

// runsIn lists the directories of a night that have results.
func runsIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name(), results.File)); e.IsDir() && err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// load reads and judges the results of a run on a day.
func load(dir string, issues *known.List, day time.Time) (*matrix.Matrix, error) {
	set, err := results.Survey(dir)
	if err != nil {
		return nil, err
	}
	m, err := set.Matrix()
	if err == nil {
		issues.Apply(m, day)
	}
	return m, err
}

// write writes what changed, the line of the history, and the pages, which show it.
func (n *Night) write(root string, nights []history.Night, o Options) error {
	var text strings.Builder
	for _, r := range n.Runs {
		if len(r.Diffs) > 0 {
			fmt.Fprintf(&text, "run %s\n", r.Name)
			if err := report.Write(&text, "diff", report.Measurement{Diff: r.Diffs}); err != nil {
				return err
			}
			text.WriteString("\n")
		}
	}
	if err := n.file(DiffFile, text.String()); err != nil {
		return err
	}
	if err := n.file(MailFile, n.Mail); err != nil {
		return err
	}
	if err := history.Append(filepath.Join(root, history.File), n.Line); err != nil {
		return err
	}
	html, _ := report.Find("html")
	for _, r := range n.Runs {
		m, err := load(filepath.Join(n.Dir, r.Name), o.Known, n.Line.Begun)
		if err != nil {
			continue // it is in Lines
		}
		var page strings.Builder
		if err := html.Write(&page, report.Measurement{Matrix: m, History: nights}.With(n.measured(r.Name))); err != nil {
			return fmt.Errorf("write page of %s: %w", r.Name, err)
		}
		if err := n.file(filepath.Join(r.Name, html.File), page.String()); err != nil {
			return err
		}
	}
	for _, b := range n.Beside {
		if slices.ContainsFunc(n.Runs, func(r Run) bool { return r.Name == b.Run && len(r.Kernels) > 0 }) {
			continue // its page has it
		}
		var page strings.Builder
		if err := html.Write(&page, b.all); err != nil {
			return fmt.Errorf("write page of %s: %w", b.Run, err)
		}
		if err := n.file(filepath.Join(b.Run, html.File), page.String()); err != nil {
			return err
		}
	}
	page, err := n.page(nights)
	if err != nil {
		return err
	}
	return n.file(PageFile, page)
}

func (n *Night) file(name, text string) error {
	if err := renameio.WriteFile(filepath.Join(n.Dir, name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write night: %w", err)
	}
	return nil
}
