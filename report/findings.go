package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/report/words"
)

// notRecorded marks a finding whose status is not that of its file.
const notRecorded = "! "

// findingsText writes a line for each finding: its status, its name and the
// evidence.
func findingsText(b *strings.Builder, m Measurement) error {
	wide := 0
	for _, o := range m.Findings {
		wide = max(wide, len(o.ID))
	}
	for _, o := range m.Findings {
		mark := strings.Repeat(" ", len(notRecorded))
		if !o.AsRecorded() {
			mark = notRecorded
		}
		fmt.Fprintf(b, "%s%-*s  %-*s  %s\n", mark, statusWidth(), o.Status, wide, words.Clean(o.ID), words.Clean(o.Why))
	}
	fmt.Fprintln(b)
	for _, line := range findingCounts(m.Findings) {
		fmt.Fprintln(b, line)
	}
	return nil
}

func statusWidth() (wide int) {
	for _, s := range findings.Statuses() {
		wide = max(wide, len(s))
	}
	return wide
}

// findingCounts sums up: a line for each kind, and one for those that are not as
// recorded.
func findingCounts(list []findings.Outcome) (lines []string) {
	for _, k := range findings.Kinds() {
		n, total := countFindings(list, k)
		if total == 0 {
			continue
		}
		var parts []string
		for _, s := range findings.Statuses() {
			if n[s] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
			}
		}
		lines = append(lines, fmt.Sprintf("%s: %d: %s", k, total, strings.Join(parts, ", ")))
	}
	other := 0
	for _, o := range list {
		if !o.AsRecorded() {
			other++
		}
	}
	if other > 0 {
		return append(lines, fmt.Sprintf("%s not as recorded, marked with %s", words.Count(other, "finding"), strings.TrimSpace(notRecorded)))
	}
	return append(lines, "every finding is as recorded")
}

func countFindings(list []findings.Outcome, k findings.Kind) (n map[findings.Status]int, total int) {
	n = map[findings.Status]int{}
	for _, o := range list {
		if o.Kind == k {
			n[o.Status]++
			total++
		}
	}
	return n, total
}

// findingsMarkdown writes a table of counts, and one for each kind.
func findingsMarkdown(b *strings.Builder, m Measurement) error {
	fmt.Fprintf(b, "# Claims about lockdown\n\nMade by `ldlab repro --format markdown`. [repro.md](repro.md) explains findings.\n\n%s", findingsTable(m.Findings))
	for _, k := range findings.Kinds() {
		if _, total := countFindings(m.Findings, k); total == 0 {
			continue
		}
		fmt.Fprintf(b, "\n## %s\n\n| claim | status | evidence | source |\n|---|---|---|---|\n", heading(string(k)))
		for _, o := range m.Findings {
			if o.Kind != k {
				continue
			}
			status := string(o.Status)
			if !o.AsRecorded() {
				status += fmt.Sprintf(" (recorded: %s)", o.Expect)
			}
			why := o.Why
			if o.Note != "" {
				why += " Note: " + o.Note
			}
			fmt.Fprintf(b, "| %s: %s | %s | %s | %s |\n", words.Code(o.ID), words.Markdown(o.Claim), status, words.Markdown(why), words.Markdown(strings.Join(o.Source, "; ")))
		}
	}
	return nil
}

// findingsTable counts findings by kind and status.
func findingsTable(list []findings.Outcome) string {
	var b strings.Builder
	b.WriteString("| claims |")
	for _, s := range findings.Statuses() {
		fmt.Fprintf(&b, " %s |", s)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(findings.Statuses())) + "\n")
	for _, k := range findings.Kinds() {
		n, total := countFindings(list, k)
		if total == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s |", k)
		for _, s := range findings.Statuses() {
			fmt.Fprintf(&b, " %d |", n[s])
		}
		b.WriteString("\n")
	}
	return b.String()
}

func heading(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// findingsJSON writes all outcomes with all steps.
func findingsJSON(w io.Writer, m Measurement) error { return JSON(w, m.Findings) }
