package report

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report/words"
)

// diffs writes for a terminal what changed from one kernel or run to another.
func diffs(b *strings.Builder, m Measurement) error {
	for i, d := range m.Diff {
		if i > 0 {
			fmt.Fprintln(b)
		}
		oneDiff(b, d)
	}
	return nil
}

func oneDiff(b *strings.Builder, d diff.Diff) {
	fmt.Fprintf(b, "%s: from %s to %s\n", words.Clean(d.Arch), words.Clean(d.From), words.Clean(d.To))
	if len(d.Reasons) > 0 {
		fmt.Fprintf(b, "\n  reasons that came or went\n")
	}
	for _, r := range d.Reasons {
		what := "went"
		if r.Came {
			what = "came"
		}
		fmt.Fprintf(b, "  %s: %s\n", what, words.Clean(string(r.Reason)))
	}
	if len(d.Calls) > 0 {
		fmt.Fprintf(b, "\n  calls of security_locked_down() that came, went, moved or are another number\n")
	}
	for _, c := range d.Calls {
		what := "came"
		call := words.Clean(c.Call)
		switch {
		case c.From != "":
			what, call = "moved", fmt.Sprintf("%s, before %s", call, words.Clean(c.From))
		case c.Now == 0:
			what = "went"
		case c.Before > 0:
			what = fmt.Sprintf("%d, before %d", c.Now, c.Before)
		}
		reason := string(c.Reason)
		if reason == "" {
			reason = "its reason is not known"
		}
		fmt.Fprintf(b, "  %s: %s (%s)\n", what, call, words.Clean(reason))
	}
	diffNotRun(b, d)
	var kind diff.ChangeKind
	for _, c := range d.Changes {
		if notRun(c) != "" {
			continue
		}
		if c.Kind != kind {
			kind = c.Kind
			fmt.Fprintf(b, "\n  %s\n", kind)
		}
		line := fmt.Sprintf("  %s: %s, before %s (%s)", words.Clean(c.Probe), c.Now, c.Before, settingList(c.Settings))
		if c.Why != "" {
			line += ": " + words.Clean(c.Why)
		}
		fmt.Fprintln(b, line)
	}
	diffGuests(b, d)
	diffTimes(b, d)
	if len(d.Missing) > 0 {
		fmt.Fprintf(b, "\n  not compared, because only one of both has it: %s\n", words.Clean(words.ProbeList(d.Missing)))
	}
	changed := 0
	for _, c := range d.Changes {
		changed += len(c.Settings)
	}
	fmt.Fprintf(b, "\n  %s changed, %s as before\n", words.Count(changed, "verdict"), words.Count(d.Same, "verdict"))
}

// notRun describes a change whose cells or controls did not run in one of the two runs. It
// is empty for every other change.
func notRun(c diff.Change) string {
	switch {
	case c.Now == matrix.NotRun:
		return "did not run"
	case c.Now == matrix.Unproven && c.Rule == matrix.NoControl:
		return "proves nothing, because it has no control"
	case c.Before == matrix.NotRun && c.Now.Expected():
		return "is as expected, and did not run before"
	}
	return ""
}

// diffNotRun writes a line for each guest that did not run in one of the two runs, because
// all of its cells changed in the same way.
func diffNotRun(b *strings.Builder, d diff.Diff) {
	type line struct{ setting, what string }
	var order []line
	cells := map[line]int{}
	for _, c := range d.Changes {
		for _, s := range c.Settings {
			l := line{s, notRun(c)}
			if l.what == "" {
				continue
			}
			if cells[l] == 0 {
				order = append(order, l)
			}
			cells[l]++
		}
	}
	if len(order) > 0 {
		fmt.Fprintf(b, "\n  did not run in one of the two runs\n")
	}
	for _, l := range order {
		fmt.Fprintf(b, "  %s %s: %s\n", words.Clean(l.setting), l.what, words.Count(cells[l], "cell"))
	}
}

// diffGuests writes which guests ended otherwise, or report other bugs.
func diffGuests(b *strings.Builder, d diff.Diff) {
	if len(d.Guests) > 0 {
		fmt.Fprintf(b, "\n  guests\n")
	}
	for _, g := range d.Guests {
		if g.Now != g.Before {
			fmt.Fprintf(b, "  %s: %s, before %s\n", words.Clean(g.Setting), words.Clean(g.Now), words.Clean(g.Before))
		}
		for _, s := range g.Splats {
			fmt.Fprintf(b, "  %s: the kernel reports a bug of its own that it did not report before: %s\n", words.Clean(g.Setting), words.Clean(s))
		}
	}
}

// diffTimes writes what became slower, by the medians of the settings that both have.
func diffTimes(b *strings.Builder, d diff.Diff) {
	if len(d.Slower) > 0 {
		fmt.Fprintf(b, "\n  slower\n")
	}
	for _, s := range d.Slower {
		fmt.Fprintf(b, "  %s: %.1f s, before %.1f s (medians of %d settings)\n", words.Clean(s.What), s.Now.Seconds(), s.Before.Seconds(), s.Of)
	}
	if d.Times != "" {
		fmt.Fprintf(b, "\n  times were not compared: %s\n", words.Clean(d.Times))
	}
}

// settingList names a few settings and counts the rest.
func settingList(settings []string) string { return words.Clean(words.ProbeList(settings)) }
