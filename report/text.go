package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// short is a verdict in the matrix: lower case where it is as expected.
var short = map[matrix.Verdict]string{
	matrix.Enforced:     "deny",
	matrix.Shadowed:     "shad",
	matrix.Open:         "ok",
	matrix.OpenGap:      "gap",
	matrix.GapClosed:    "shut",
	matrix.Conforms:     "abi",
	matrix.Unavailable:  "-",
	matrix.Leak:         "LEAK",
	matrix.Overblocked:  "OVER",
	matrix.Deviates:     "DEV",
	matrix.Unattributed: "UNATT",
	matrix.Unproven:     "UNPRV",
	matrix.Lost:         "LOST",
	matrix.NotRun:       "...",
}

// cellWidth is the widest of short, in characters.
const cellWidth = 5

// Text writes a matrix for a terminal.
func Text(w io.Writer, m *matrix.Matrix) error {
	b := &strings.Builder{}
	fmt.Fprintln(b, Machines(m.Hosts()))
	for _, t := range m.Tables {
		textTable(b, t)
		textReasons(b, t.Reasons())
		if sq := t.Isolation(); sq != nil {
			textSquare(b, sq)
		}
	}
	textFindings(b, m)
	fmt.Fprintf(b, "\n%s\n", counts(m))
	_, err := io.WriteString(w, b.String())
	return err
}

func textTable(b *strings.Builder, t matrix.Table) {
	fmt.Fprintf(b, "\n%s %s: %s\n", t.Kernel, t.Arch, origin(t))
	setting := 0
	for _, c := range t.Columns {
		setting = max(setting, len(c.Setting.String()))
	}
	for i, c := range t.Columns {
		note := "shows " + c.Shown
		switch {
		case c.End.Failed():
			note = "lab failed: " + c.End.String()
		case c.End.Lost():
			note = "lost: " + c.End.Cause
		case c.Shown == "":
			note = "not run"
		}
		fmt.Fprintf(b, "  %2d  %-*s  %s\n", i+1, setting, c.Setting, clean(note))
	}
	wide := 0
	for _, r := range t.Rows {
		wide = max(wide, len(r.Probe))
	}
	textByReason(b, t, wide)
	textHead(b, "probe", wide, len(t.Columns))
	rows, gaps := apart(t.Rows)
	textRows(b, rows, wide)
	if len(gaps) > 0 {
		fmt.Fprintf(b, "\n  known gaps: the same power, without asking lockdown\n")
		textRows(b, gaps, wide)
	}
}

// textReasons sums up by reason. What no guest can reach is told where the
// table is about reasons at large.
func textReasons(b *strings.Builder, rs matrix.Reasons) {
	fmt.Fprintf(b, "\n  %d of the kernel's %d reasons are enforced here\n", len(rs.Enforced), rs.Of)
	if len(rs.Enforced) < rs.Of/2 {
		return
	}
	for _, r := range rs.Beyond {
		fmt.Fprintf(b, "  out of reach: %s: %s\n", r.Reason, r.Why)
	}
}

// textByReason is the matrix in short, where more than a handful of reasons
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
		fmt.Fprintf(b, "  %-*s ", wide, r.Probe)
		for _, c := range r.Cells {
			fmt.Fprintf(b, "%*s", cellWidth+1, short[c.Verdict])
		}
		fmt.Fprintln(b)
	}
}

// textSquare prints denied/probed, and a point where nothing was denied and
// nothing should have been.
func textSquare(b *strings.Builder, sq *matrix.Isolation) {
	fmt.Fprintf(b, "\n  isolation, %s %s: locked alone (down) against the probes of each reason (across), denied/probed\n", sq.Kernel, sq.Arch)
	wide := 0
	for _, r := range sq.Reasons {
		wide = max(wide, len(r))
	}
	fmt.Fprintf(b, "  %-*s ", wide+4, "")
	for i := range sq.Reasons {
		fmt.Fprintf(b, "%*d", cellWidth+1, i+1)
	}
	fmt.Fprintln(b)
	for i, locked := range sq.Reasons {
		fmt.Fprintf(b, "  %2d  %-*s ", i+1, wide, locked)
		for j := range sq.Reasons {
			fmt.Fprintf(b, "%*s", cellWidth+1, share(sq.Cells[i][j]))
		}
		fmt.Fprintln(b)
	}
	for _, d := range sq.Dependences {
		fmt.Fprintf(b, "  * %s, %s locked: %s\n", d.Probe, d.Locked, d.Why)
	}
}

func share(s matrix.Share) string {
	text := fmt.Sprintf("%d/%d", s.Denied, s.Probes)
	switch {
	case !s.Isolated():
		return text + "!"
	case s.Denied == 0:
		return "."
	case s.Named:
		return text + "*"
	}
	return text
}

// maxFindings bounds the list in the text; the other formats have them all.
const maxFindings = 40

func textFindings(b *strings.Builder, m *matrix.Matrix) {
	fs := findings(m)
	if len(fs) == 0 {
		return
	}
	fmt.Fprintf(b, "\nnot as expected:\n")
	guest := ""
	for i, f := range fs {
		if i == maxFindings {
			fmt.Fprintf(b, "  and %d more: --format json has all\n", len(fs)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", f)
		if f.guest == guest {
			continue // its boot was shown
		}
		guest = f.guest
		if f.column.Command != "" {
			fmt.Fprintf(b, "    repeat this boot: %s\n", f.column.Command)
		}
		if f.column.End.Lost() {
			for _, line := range f.column.End.Console {
				fmt.Fprintf(b, "    | %s\n", clean(line))
			}
		}
	}
}
