package report

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// markdown writes a matrix for a README or a tracker.
func markdown(b *strings.Builder, m *matrix.Matrix) error {
	for _, h := range m.Hosts() {
		fmt.Fprintf(b, "- %s\n", words.Markdown(words.Machines([]matrix.Host{h})))
	}
	for _, t := range m.Tables {
		rows, gaps := words.SplitGaps(t.Rows)
		parts := words.Booted(t)
		for i := range parts {
			parts[i] = words.Markdown(parts[i])
		}
		fmt.Fprintf(b, "\n### %s %s\n\n%s\n\n", words.Markdown(t.Kernel), words.Markdown(t.Arch), strings.Join(parts, ",\n"))
		markdownRows(b, t.Columns, rows)
		if len(gaps) > 0 {
			fmt.Fprintf(b, "\nKnown gaps: the same power, in a way that lockdown does not check.\n\n")
			markdownRows(b, t.Columns, gaps)
		}
		markdownGuests(b, t)
		fmt.Fprintln(b)
		rs := t.Reasons()
		for _, line := range append(words.ReasonLines(rs), words.StrangeLines(rs)...) {
			fmt.Fprintf(b, "- %s\n", words.Markdown(line))
		}
		markdownEvidence(b, t)
		if iso := t.Isolation(); iso != nil {
			markdownIsolation(b, iso)
		}
	}
	if list := words.AllUnexpected(m); len(list) > 0 {
		fmt.Fprintf(b, "\n### Not as expected\n\n")
		for _, u := range list {
			fmt.Fprintf(b, "- %s\n", words.Markdown(u.String()))
		}
	}
	fmt.Fprintln(b)
	for _, n := range words.Notes(m) {
		fmt.Fprintf(b, "**%s**\n\n", words.Markdown(n))
	}
	fmt.Fprintln(b, words.Counts(m))
	fmt.Fprintf(b, "\n%s\n", words.Wrap(words.Tally(m.Tally())))
	return nil
}

func markdownRows(b *strings.Builder, columns []matrix.Column, rows []matrix.TableRow) {
	fmt.Fprintf(b, "| probe |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", words.Markdown(c.Setting.String()))
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |", words.Markdown(r.Probe))
		for _, c := range r.Cells {
			verdict := string(c.Verdict)
			if !c.Verdict.Expected() {
				verdict = "**" + verdict + "**"
			}
			fmt.Fprintf(b, " %s |", verdict)
		}
		fmt.Fprintln(b)
	}
}

// markdownGuests lists guests that were lost, failed or ran again, and why
// probes are unavailable.
func markdownGuests(b *strings.Builder, t matrix.Table) {
	head := "\nGuests that were lost, failed or ran again:\n\n"
	for _, c := range t.Columns {
		if words.Remarkable(c) {
			fmt.Fprintf(b, "%s- %s: %s\n", head, words.Markdown(c.Setting.String()), words.Markdown(words.GuestNote(c)))
			head = ""
		}
	}
	head = "\nUnavailable:\n\n"
	for _, a := range words.Absences(t) {
		fmt.Fprintf(b, "%s- %s: %s\n", head, words.Markdown(a.Why), words.Markdown(strings.Join(a.Probes, ", ")))
		head = ""
	}
}

// markdownEvidence lists what each gated probe saw with nothing locked and where
// it was first denied, and the number of its variants.
func markdownEvidence(b *strings.Builder, t matrix.Table) {
	head := "\nEvidence: the act and the look at it.\n\n| probe | variants | nothing locked | denied |\n|---|---|---|---|\n"
	for _, r := range t.Rows {
		open, denied := evidenceOf(r, matrix.Open), evidenceOf(r, matrix.Enforced)
		if r.Expect != scenarios.Checked.String() || open+denied == "" {
			continue
		}
		fmt.Fprintf(b, "%s| %s | %d | %s | %s |\n", head, words.Markdown(r.Probe), r.Variants(), words.Markdown(open), words.Markdown(denied))
		head = ""
	}
}

// evidenceOf is the call and the look of the first cell with the verdict.
func evidenceOf(r matrix.TableRow, v matrix.Verdict) string {
	for _, c := range r.Cells {
		if c.Verdict != v || c.Observed == nil {
			continue
		}
		if c.Observed.Look == "" {
			return c.Observed.Call
		}
		return c.Observed.Call + "; " + c.Observed.Look
	}
	return ""
}

func markdownIsolation(b *strings.Builder, iso *matrix.Isolation) {
	fmt.Fprintf(b, "\nIsolation matrix: locked alone (down) against the probes of each reason (across), denied/probed.\n%s\n\n| |", words.IsolationCaption)
	for _, r := range iso.Reasons {
		fmt.Fprintf(b, " %s |", r)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(iso.Reasons)))
	for i, locked := range iso.Reasons {
		fmt.Fprintf(b, "| %s |", locked)
		for j := range iso.Reasons {
			fmt.Fprintf(b, " %s |", words.Markdown(words.Share(iso.Cells[i][j])))
		}
		fmt.Fprintln(b)
	}
	if len(iso.Dependences) > 0 {
		fmt.Fprintf(b, "\n\\* Named dependences:\n\n")
	}
	for _, d := range iso.Dependences {
		fmt.Fprintf(b, "- %s, %s locked: %s\n", words.Markdown(d.Probe), d.Locked, words.Markdown(d.Why))
	}
}
