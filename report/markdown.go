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
	fmt.Fprintf(b, "%s\n", escape(Machines(m.Header.Machines)))
	for _, t := range m.Tables {
		fmt.Fprintf(b, "\n### %s %s\n\n%s\n\n| probe |", t.Kernel, t.Arch, escape(origin(t)))
		for _, c := range t.Columns {
			fmt.Fprintf(b, " %s |", escape(c.Setting.String()))
		}
		fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(t.Columns)))
		for _, r := range t.Rows {
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
		if sq := t.Square(); sq != nil {
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

func markdownSquare(b *strings.Builder, sq *matrix.Square) {
	fmt.Fprintf(b, "\nIsolation: locked alone (down) against the probes of each reason (across), denied/probed.\n\n| |")
	for _, r := range sq.Reasons {
		fmt.Fprintf(b, " %s |", r)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(sq.Reasons)))
	for i, locked := range sq.Reasons {
		fmt.Fprintf(b, "| %s |", locked)
		for j := range sq.Reasons {
			fmt.Fprintf(b, " %s |", share(sq.Cells[i][j]))
		}
		fmt.Fprintln(b)
	}
}

// escape keeps text that came from a guest from being markup.
func escape(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "<", "&lt;", "`", "\\`").Replace(clean(s))
}
