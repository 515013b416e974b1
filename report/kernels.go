package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// kernels writes a matrix with its kernels side by side: what each enforces of every
// reason, which known gaps are open, and what was not tested.
func kernels(b *strings.Builder, m *matrix.Matrix) error {
	for _, h := range m.Hosts() {
		fmt.Fprintf(b, "- %s\n", words.Markdown(words.Machines([]matrix.Host{h})))
	}
	fmt.Fprintf(b, "\n| kernel | made of | settings | not as expected |\n|---|---|---|---|\n")
	for _, t := range m.Tables {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", words.Markdown(t.Kernel+" "+t.Arch), words.Markdown(strings.Join(words.Booted(t), ", ")), words.Markdown(settingNames(t)), words.Markdown(oddCells(t)))
	}
	kernelReasons(b, m)
	kernelGaps(b, m)
	head := "\n## Not tested\n\n"
	for _, t := range m.Tables {
		for _, line := range words.ReasonLines(t.Reasons()) {
			if strings.HasPrefix(line, "not tested: ") {
				fmt.Fprintf(b, "%s- %s: %s\n", head, words.Markdown(t.Kernel+" "+t.Arch), words.Markdown(strings.TrimPrefix(line, "not tested: ")))
				head = ""
			}
		}
	}
	for _, t := range m.Tables {
		fmt.Fprintf(b, "\n## %s\n", words.Markdown(t.Kernel+" "+t.Arch))
		markdownGuests(b, t)
	}
	head = "\n## Not as expected\n\n"
	for _, u := range words.AllUnexpected(m) {
		fmt.Fprintf(b, "%s- %s\n", head, words.Markdown(u.String()))
		head = ""
	}
	fmt.Fprintln(b)
	for _, n := range words.Notes(m) {
		fmt.Fprintf(b, "**%s**\n\n", words.Markdown(n))
	}
	fmt.Fprintln(b, words.Counts(m))
	return nil
}

// settingNames lists the settings that lock something; the control is always there.
func settingNames(t matrix.Table) string {
	var names []string
	for _, c := range t.Columns {
		if c.Setting.Locked() {
			names = append(names, c.Setting.String())
		}
	}
	return strings.Join(names, ", ")
}

// oddCells counts the cells that are not as expected.
func oddCells(t matrix.Table) string {
	n, issues, all := 0, 0, 0
	for _, r := range t.Rows {
		for _, c := range r.Cells {
			if c.Verdict == matrix.NotPlanned {
				continue
			}
			switch all++; {
			case c.Verdict == matrix.Known:
				issues++
			case !c.Verdict.Expected():
				n++
			}
		}
	}
	text := fmt.Sprintf("%d of %s", n, words.Count(all, "cell"))
	if issues > 0 {
		text += fmt.Sprintf(", and %d known", issues)
	}
	return text
}

// kernelReasons is the table of reasons against kernels.
func kernelReasons(b *strings.Builder, m *matrix.Matrix) {
	fmt.Fprintf(b, "\n## Reasons\n\nEnforced: a probe of the reason was denied, its control was allowed, the kernel named the\nreason, and no cell of the reason is unexpected. The sign - stands for a reason that the kernel has\nand guests of the architecture cannot reach.\n\n| reason |")
	for _, t := range m.Tables {
		fmt.Fprintf(b, " %s |", words.Markdown(t.Kernel+" "+t.Arch))
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(m.Tables)))
	sums := make([]matrix.Reasons, len(m.Tables))
	for i, t := range m.Tables {
		sums[i] = t.Reasons()
	}
	for _, info := range lockdown.Reasons() {
		fmt.Fprintf(b, "| %s |", info.Reason)
		for i, t := range m.Tables {
			fmt.Fprintf(b, " %s |", standing(sums[i], t, info.Reason))
		}
		fmt.Fprintln(b)
	}
}

// standing is what a table shows of a reason, in words.
func standing(rs matrix.Reasons, t matrix.Table, r lockdown.Reason) string {
	is := func(n matrix.NotTested) bool { return n.Reason == r }
	switch {
	case slices.Contains(rs.Enforced, r):
		return "enforced"
	case slices.Contains(rs.Leaking, r):
		return "**LEAK**"
	case slices.Contains(rs.Doubtful, r):
		return "**in doubt**"
	case slices.ContainsFunc(rs.Untested, is):
		return "not tested"
	case slices.ContainsFunc(rs.OutOfReach, is):
		return "-"
	case !slices.ContainsFunc(t.Has.List(), func(i lockdown.ReasonInfo) bool { return i.Reason == r }):
		return "does not exist"
	}
	return "not tested"
}

// kernelGaps is the table of known gaps against kernels.
func kernelGaps(b *strings.Builder, m *matrix.Matrix) {
	var probes []string
	for _, t := range m.Tables {
		_, gaps := words.SplitGaps(t.Rows)
		for _, r := range gaps {
			if !slices.Contains(probes, r.Probe) {
				probes = append(probes, r.Probe)
			}
		}
	}
	if len(probes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## Known gaps\n\nOpen: the probe was allowed in a setting that locks its reason.\n\n| probe |")
	for _, t := range m.Tables {
		fmt.Fprintf(b, " %s |", words.Markdown(t.Kernel+" "+t.Arch))
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(m.Tables)))
	for _, id := range probes {
		fmt.Fprintf(b, "| %s |", words.Markdown(id))
		for _, t := range m.Tables {
			fmt.Fprintf(b, " %s |", gapStanding(t, id))
		}
		fmt.Fprintln(b)
	}
}

// gapStanding is what a table shows of a known gap, in a word.
func gapStanding(t matrix.Table, id string) string {
	i := slices.IndexFunc(t.Rows, func(r matrix.TableRow) bool { return r.Probe == id })
	if i < 0 {
		return "-"
	}
	seen := map[matrix.Verdict]bool{}
	odd := false
	for _, c := range t.Rows[i].Cells {
		seen[c.Verdict] = true
		odd = odd || !c.Verdict.Expected() && c.Verdict != matrix.GapClosed
	}
	switch {
	case odd:
		return "**in doubt**"
	case seen[matrix.OpenGap]:
		return "open"
	case seen[matrix.GapClosed]:
		return "closed"
	case seen[matrix.Enforced]:
		return "denied"
	}
	return "-"
}
