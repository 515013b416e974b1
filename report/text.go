package report

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// cellWidth is the widest of short, in characters.
const cellWidth = 5

// text writes a matrix for a terminal.
func text(b *strings.Builder, m *matrix.Matrix) error {
	if hosts := m.Hosts(); len(hosts) > 0 {
		fmt.Fprintln(b, Machines(hosts))
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
	for _, n := range notes(m) {
		fmt.Fprintln(b, clean(n))
	}
	fmt.Fprintln(b, counts(m))
	fmt.Fprintln(b, wrap(tally(m.Tally())))
	return nil
}

func textTable(b *strings.Builder, t matrix.Table) {
	parts := booted(t)
	fmt.Fprintf(b, "\n%s %s: %s\n", clean(t.Kernel), clean(t.Arch), clean(parts[0]))
	for _, p := range parts[1:] {
		fmt.Fprintf(b, "  %s\n", clean(p))
	}
	setting := 0
	for _, c := range t.Columns {
		setting = max(setting, len(c.Setting.String()))
	}
	for i, c := range t.Columns {
		fmt.Fprintf(b, "  %2d  %-*s  %s\n", i+1, setting, c.Setting, clean(guestNote(c)))
	}
	wide := 0
	for _, r := range t.Rows {
		wide = max(wide, len(r.Probe))
	}
	textByReason(b, t, wide)
	textHead(b, "probe", wide, len(t.Columns))
	rows, gaps := splitGaps(t.Rows)
	textRows(b, rows, wide)
	if len(gaps) > 0 {
		fmt.Fprintf(b, "\n  known gaps: the same power, in a way that lockdown does not check\n")
		textRows(b, gaps, wide)
	}
	if list := absences(t); len(list) > 0 {
		fmt.Fprintf(b, "\n  unavailable\n")
		for _, a := range list {
			fmt.Fprintf(b, "  %s: %s\n", clean(a.why), clean(probeList(a.probes)))
		}
	}
}

// textReasons sums up by reason.
func textReasons(b *strings.Builder, rs matrix.Reasons) {
	fmt.Fprintln(b)
	for _, line := range reasonLines(rs) {
		for i, part := range strings.Split(wrap(strings.Split(clean(line), ", ")), "\n") {
			fmt.Fprintf(b, "  %s%s\n", strings.Repeat("  ", min(i, 1)), part)
		}
	}
	for _, line := range strangeLines(rs) {
		fmt.Fprintf(b, "  %s\n", shorten(clean(line)))
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
			fmt.Fprintf(b, "%*s", cellWidth+1, short[v])
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
		fmt.Fprintf(b, "  %-*s ", wide, clean(r.Probe))
		for _, c := range r.Cells {
			fmt.Fprintf(b, "%*s", cellWidth+1, short[c.Verdict])
		}
		fmt.Fprintln(b)
	}
}

// textIsolation prints the isolation matrix.
func textIsolation(b *strings.Builder, iso *matrix.Isolation) {
	fmt.Fprintf(b, "\n  isolation matrix, %s %s: locked alone (down) against the probes of each reason (across), denied/probed\n  %s\n", clean(iso.Kernel), clean(iso.Arch), isolationCaption)
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
			fmt.Fprintf(b, "%*s", cellWidth+1, share(iso.Cells[i][j]))
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
	list := allUnexpected(m)
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
		for _, line := range u.seen {
			fmt.Fprintf(b, "    %s\n", clean(line))
		}
		if u.guest == guest {
			continue // its boot was printed
		}
		guest = u.guest
		if u.column.Command != "" {
			fmt.Fprintf(b, "    repeat this boot: %s\n", clean(u.column.Command))
		}
		if u.column.End.Lost() {
			for _, line := range u.column.End.Console {
				fmt.Fprintf(b, "    | %s\n", clean(line))
			}
		}
	}
}
