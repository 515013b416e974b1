package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// Markdown writes a matrix for a README or a tracker.
func Markdown(w io.Writer, m *matrix.Matrix) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s\n", escape(Machines(m.Hosts())))
	for _, t := range m.Tables {
		rows, gaps := apart(t.Rows)
		fmt.Fprintf(b, "\n### %s %s\n\n%s\n\n", t.Kernel, t.Arch, escape(origin(t)))
		markdownRows(b, t.Columns, rows)
		if len(gaps) > 0 {
			fmt.Fprintf(b, "\nKnown gaps: the same power, without asking lockdown.\n\n")
			markdownRows(b, t.Columns, gaps)
		}
		rs := t.Reasons()
		fmt.Fprintf(b, "\n%d of the kernel's %d reasons are enforced here.\n", len(rs.Enforced), rs.Of)
		for i, r := range rs.Beyond {
			if i == 0 {
				fmt.Fprintf(b, "\nOut of reach:\n\n")
			}
			fmt.Fprintf(b, "- %s: %s\n", r.Reason, escape(r.Why))
		}
		if sq := t.Isolation(); sq != nil {
			markdownSquare(b, sq)
		}
	}
	if fs := findings(m); len(fs) > 0 {
		fmt.Fprintf(b, "\n### Not as expected\n\n")
		for _, f := range fs {
			fmt.Fprintf(b, "- %s\n", escape(f.String()))
		}
	}
	fmt.Fprintf(b, "\n%s\n", counts(m))
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownRows(b *strings.Builder, columns []matrix.Column, rows []matrix.TableRow) {
	fmt.Fprintf(b, "| probe |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", escape(c.Setting.String()))
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |", r.Probe)
		for _, c := range r.Cells {
			text := string(c.Verdict)
			if !c.Verdict.Expected() {
				text = "**" + text + "**"
			}
			fmt.Fprintf(b, " %s |", text)
		}
		fmt.Fprintln(b)
	}
}

func markdownSquare(b *strings.Builder, sq *matrix.Isolation) {
	fmt.Fprintf(b, "\nIsolation: locked alone (down) against the probes of each reason (across), denied/probed.\n\n| |")
	for _, r := range sq.Reasons {
		fmt.Fprintf(b, " %s |", r)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(sq.Reasons)))
	for i, locked := range sq.Reasons {
		fmt.Fprintf(b, "| %s |", locked)
		for j := range sq.Reasons {
			fmt.Fprintf(b, " %s |", escape(share(sq.Cells[i][j])))
		}
		fmt.Fprintln(b)
	}
	if len(sq.Dependences) > 0 {
		fmt.Fprintf(b, "\n\\* Named dependences:\n\n")
	}
	for _, d := range sq.Dependences {
		fmt.Fprintf(b, "- %s, %s locked: %s\n", d.Probe, d.Locked, escape(d.Why))
	}
}

// escape keeps text that came from a guest from being markup.
func escape(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "<", "&lt;", "`", "\\`").Replace(clean(s))
}
