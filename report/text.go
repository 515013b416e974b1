package report

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// cellWidth is the widest of words.Short, in characters.
const cellWidth = 5

// text writes a matrix for a terminal.
func text(b *strings.Builder, m *matrix.Matrix) error {
	if hosts := m.Hosts(); len(hosts) > 0 {
		fmt.Fprintln(b, words.Machines(hosts))
	}
	for _, t := range m.Tables {
		textTable(b, t)
		textReasons(b, t.Reasons())
		if iso := t.Isolation(); iso != nil {
			textIsolation(b, iso)
		}
	}
	textUnexpected(b, m)
	fmt.Fprintln(b)
	for _, n := range words.Notes(m) {
		fmt.Fprintln(b, words.Clean(n))
	}
	fmt.Fprintln(b, words.Counts(m))
	fmt.Fprintln(b, words.Wrap(words.Tally(m.Tally())))
	return nil
}

func textTable(b *strings.Builder, t matrix.Table) {
	parts := words.Booted(t)
	fmt.Fprintf(b, "\n%s %s: %s\n", words.Clean(t.Kernel), words.Clean(t.Arch), words.Clean(parts[0]))
	for _, p := range parts[1:] {
		fmt.Fprintf(b, "  %s\n", words.Clean(p))
	}
	setting := 0
	for _, c := range t.Columns {
		setting = max(setting, len(c.Setting.String()))
	}
	for i, c := range t.Columns {
		fmt.Fprintf(b, "  %2d  %-*s  %s\n", i+1, setting, c.Setting, words.Clean(words.GuestNote(c)))
	}
	wide := 0
	for _, r := range t.Rows {
		wide = max(wide, len(r.Probe))
	}
	textByReason(b, t, wide)
	textHead(b, "probe", wide, len(t.Columns))
	rows, gaps := words.SplitGaps(t.Rows)
	textRows(b, rows, wide)
	if len(gaps) > 0 {
		fmt.Fprintf(b, "\n  known gaps: the same power, in a way that lockdown does not check\n")
		textRows(b, gaps, wide)
	}
	if list := words.Absences(t); len(list) > 0 {
		fmt.Fprintf(b, "\n  unavailable\n")
		for _, a := range list {
			fmt.Fprintf(b, "  %s: %s\n", words.Clean(a.Why), words.Clean(words.ProbeList(a.Probes)))
		}
	}
}

// textReasons sums up by reason.
func textReasons(b *strings.Builder, rs matrix.Reasons) {
	fmt.Fprintln(b)
	for _, line := range words.ReasonLines(rs) {
		for i, part := range strings.Split(words.Wrap(strings.Split(words.Clean(line), ", ")), "\n") {
			fmt.Fprintf(b, "  %s%s\n", strings.Repeat("  ", min(i, 1)), part)
		}
	}
	for _, line := range words.StrangeLines(rs) {
		fmt.Fprintf(b, "  %s\n", words.Shorten(words.Clean(line)))
	}
}

// textByReason is a short matrix by reason, if more than a handful of reasons
// are probed.
func textByReason(b *strings.Builder, t matrix.Table, wide int) {
	rows := t.ByReason()
	if len(rows) < 8 {
		return
	}
	textHead(b, "reason, all its probes", wide, len(t.Columns))
	for _, r := range rows {
		fmt.Fprintf(b, "  %-*s ", wide, r.Reason)
		for _, v := range r.Cells {
			fmt.Fprintf(b, "%*s", cellWidth+1, words.Short[v])
		}
		fmt.Fprintln(b)
	}
}

func textHead(b *strings.Builder, what string, wide, columns int) {
	fmt.Fprintf(b, "\n  %-*s ", wide, what)
	for i := range columns {
		fmt.Fprintf(b, "%*d", cellWidth+1, i+1)
	}
	fmt.Fprintln(b)
}

func textRows(b *strings.Builder, rows []matrix.TableRow, wide int) {
	for _, r := range rows {
		fmt.Fprintf(b, "  %-*s ", wide, words.Clean(r.Probe))
		for _, c := range r.Cells {
			fmt.Fprintf(b, "%*s", cellWidth+1, words.Short[c.Verdict])
		}
		fmt.Fprintln(b)
	}
}

// textIsolation prints the isolation matrix.
func textIsolation(b *strings.Builder, iso *matrix.Isolation) {
	fmt.Fprintf(b, "\n  isolation matrix, %s %s: locked alone (down) against the probes of each reason (across), denied/probed\n  %s\n", words.Clean(iso.Kernel), words.Clean(iso.Arch), words.IsolationCaption)
	wide := 0
	for _, r := range iso.Reasons {
		wide = max(wide, len(r))
	}
	fmt.Fprintf(b, "  %-*s ", wide+4, "")
	for i := range iso.Reasons {
		fmt.Fprintf(b, "%*d", cellWidth+1, i+1)
	}
	fmt.Fprintln(b)
	for i, locked := range iso.Reasons {
		fmt.Fprintf(b, "  %2d  %-*s ", i+1, wide, locked)
		for j := range iso.Reasons {
			fmt.Fprintf(b, "%*s", cellWidth+1, words.Share(iso.Cells[i][j]))
		}
		fmt.Fprintln(b)
	}
	for _, d := range iso.Dependences {
		fmt.Fprintf(b, "  * %s, %s locked: %s\n", d.Probe, d.Locked, d.Why)
	}
}

// maxUnexpected bounds the list in the text; the other formats are complete.
const maxUnexpected = 40

func textUnexpected(b *strings.Builder, m *matrix.Matrix) {
	list := words.AllUnexpected(m)
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\nnot as expected:\n")
	guest := ""
	for i, u := range list {
		if i == maxUnexpected {
			fmt.Fprintf(b, "  and %d more: --format json has all\n", len(list)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", u)
		for _, line := range u.Seen {
			fmt.Fprintf(b, "    %s\n", words.Clean(line))
		}
		if u.Guest == guest {
			continue // its boot was printed
		}
		guest = u.Guest
		if u.Column.Command != "" {
			fmt.Fprintf(b, "    repeat this boot: %s\n", words.Clean(u.Column.Command))
		}
		if u.Column.End.Lost() {
			for _, line := range u.Column.End.Console {
				fmt.Fprintf(b, "    | %s\n", words.Clean(line))
			}
		}
	}
}

func machines(b *strings.Builder, m *matrix.Matrix) error {
	fmt.Fprintln(b, words.Machines(m.Hosts()))
	return nil
}
