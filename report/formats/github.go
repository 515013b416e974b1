package formats

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// maxAnnotations is the number of annotations of each level that GitHub shows of
// one step ("Workflow commands for GitHub Actions", 2026).
const maxAnnotations = 10

// Annotations writes a matrix as workflow commands of GitHub Actions: an error for
// what is not as expected, a warning for what else is remarkable, a notice for what is
// unavailable. What makes the whole run worthless or its kernel unsound is the first
// error, and then the gravest cell. GitHub takes them from the output of a step.
func Annotations(b *strings.Builder, m *matrix.Matrix) error {
	var errs []annotation
	for _, s := range words.Grave(m) {
		title, text, _ := strings.Cut(s, ": ")
		errs = append(errs, annotation{title, text})
	}
	for _, u := range words.Gravest(m) {
		errs = append(errs, annotation{fmt.Sprintf("%s: %s", u.Verdict, words.ProbeList(u.Probes)), u.String()})
	}
	annotate(b, "error", errs)
	var warnings, notices []annotation
	for _, n := range append(words.Mild(m), otherGuests(m)...) {
		warnings = append(warnings, annotation{"ldlab", n})
	}
	annotate(b, "warning", warnings)
	for _, a := range absences(m) {
		notices = append(notices, annotation{"unavailable", a})
	}
	annotate(b, "notice", notices)
	return nil
}

type annotation struct{ title, text string }

func annotate(b *strings.Builder, level string, list []annotation) {
	for i, a := range list {
		if i == maxAnnotations-1 && len(list) > maxAnnotations {
			a = annotation{"ldlab", fmt.Sprintf("and %d more: see the report", len(list)-i)}
		}
		if i == maxAnnotations {
			return
		}
		fmt.Fprintf(b, "::%s title=%s::%s\n", level, propertyText.Replace(words.Clean(a.title)), commandText.Replace(words.Clean(a.text)))
	}
}

// What ends the text or a property of a workflow command (actions/toolkit,
// packages/core/src/command.ts). A line's end is no printable character and
// does not get here.
var (
	commandText  = strings.NewReplacer("%", "%25")
	propertyText = strings.NewReplacer("%", "%25", ":", "%3A", ",", "%2C")
)

// maxSummary bounds the lists of a summary, in items. GitHub refuses one of more
// than 1 MiB.
const maxSummary = 50

// Summary writes the page that GitHub shows of a job: append it to the file that
// $GITHUB_STEP_SUMMARY names. It is Markdown, and starts with what matters.
func Summary(b *strings.Builder, m *matrix.Matrix) error {
	list := words.Gravest(m)
	head := "as expected"
	switch n := m.Count()[matrix.Known]; {
	case !words.AsExpected(m):
		head = "**not as expected**"
	case n > 0:
		head += fmt.Sprintf(", but for %s that %s known", words.Count(n, "cell"), words.IsAre(n))
	}
	fmt.Fprintf(b, "## Lockdown: %s\n\n", head)
	items(b, "Look at this first", len(list), func(i int) string { return list[i].String() })
	all := notes(m)
	items(b, "Notes", len(all), func(i int) string { return all[i] })
	fmt.Fprintf(b, "### Kernels\n\n| kernel | settings | reasons enforced | leaking | in doubt | not tested |\n|---|---|---|---|---|---|\n")
	for _, t := range m.Tables {
		rs := t.Reasons()
		fmt.Fprintf(b, "| %s | %d | %d of %d | %s | %s | %d |\n", words.Markdown(t.Kernel+" "+t.Arch), len(t.Columns), len(rs.Enforced), rs.Of,
			words.Markdown(words.ReasonNames(rs.Leaking)), words.Markdown(words.ReasonNames(rs.Doubtful)), len(rs.Untested))
	}
	fmt.Fprintf(b, "\n### Verdicts\n\n%s\n\n", words.Counts(m))
	guests, lacks := guestNotes(m), absences(m)
	items(b, "Guests that were lost, failed or ran again", len(guests), func(i int) string { return guests[i] })
	items(b, "Unavailable", len(lacks), func(i int) string { return lacks[i] })
	return nil
}

// items writes a list under a heading; nothing if it is empty.
func items(b *strings.Builder, head string, n int, item func(int) string) {
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", head)
	for i := range min(n, maxSummary) {
		fmt.Fprintf(b, "- %s\n", words.Markdown(item(i)))
	}
	if n > maxSummary {
		fmt.Fprintf(b, "- and %d more\n", n-maxSummary)
	}
	b.WriteString("\n")
}
