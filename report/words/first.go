package words

import (
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/ldlab/ldlab/matrix"
)

// A First is something to look at in a matrix. Its texts are not escaped.
type First struct {
	Verdict matrix.Verdict // of its cells; empty if it is no verdict
	Kind    string         // the verdict, or what it is
	What    string         // where, and why
	Seen    []string       // what the first of its probes saw; see SeenOf
	Console []string       // of a guest that was lost: its last lines
	Repeat  string         // the command of ldlab that repeats it, quoted for a shell; empty if none can
	Explain string         // the command of ldlab that explains it; empty if none does
	Boot    string         // the command that repeats its boot, if Repeat is empty

	rank int
}

// The ranks, the first to look at first.
const (
	rankNothing = iota
	rankLeak
	rankNotLocked
	rankUnexpected
	rankLost
	rankUnattributed
	rankUnproven
	rankNotRun
	rankUntested
	rankStale
	rankAgain
)

// rankOf is the rank of an unexpected verdict.
func rankOf(j matrix.Judgment) int {
	if j.Rule == LeakOrGap {
		return rankLeak
	}
	switch j.Verdict {
	case matrix.Leak:
		return rankLeak
	case matrix.NotLocked:
		return rankNotLocked
	case matrix.Lost:
		return rankLost
	case matrix.Unattributed:
		return rankUnattributed
	case matrix.Unproven:
		return rankUnproven
	case matrix.NotRun:
		return rankNotRun
	}
	return rankUnexpected
}

// LookFirst lists what to look at, the gravest first: leaks, settings that are not in
// force, other unexpected verdicts and bugs that a kernel reported of itself, lost
// guests, denials that the kernel does not explain, what is unproven or did not run,
// reasons that were not tested, known gaps that are closed, known issues, and guests that
// were lost once. Among equals the order of the matrix decides. flags are further flags
// of the run that a command must repeat. The list is empty if a matrix has nothing to look at.
func LookFirst(m *matrix.Matrix, flags []string) []First {
	var list []First
	if !m.Measured() {
		list = append(list, First{Kind: "nothing was measured", What: "no cell shows what a kernel did", rank: rankNothing})
	}
	for _, t := range m.Tables {
		list = append(list, firstCells(t, flags)...)
		list = append(list, firstGuests(t, flags)...)
		for _, u := range t.Reasons().Untested {
			list = append(list, First{Kind: "not tested", What: fmt.Sprintf("%s %s %s: %s", t.Kernel, t.Arch, u.Reason, u.Why),
				Explain: command("explain", string(u.Reason)), rank: rankUntested})
		}
		for _, r := range t.Rows {
			i := slices.IndexFunc(r.Cells, func(c matrix.Cell) bool { return c.Verdict == matrix.GapClosed })
			if i >= 0 {
				f := First{Verdict: matrix.GapClosed, Kind: string(matrix.GapClosed), Explain: command("list", "gaps"), rank: rankStale,
					What: fmt.Sprintf("%s %s %s: %s: the table of gaps is out of date", t.Kernel, t.Arch, t.Columns[i].Setting, r.Probe)}
				f.repeat(t, t.Columns[i], []string{r.Probe}, flags)
				list = append(list, f)
			}
		}
	}
	for _, i := range m.Issues {
		if i.State != matrix.IssueUntouched {
			list = append(list, First{Kind: "known issue", What: fmt.Sprintf("%s: %s: %s, %s", i.Place, i.Cell, i.Verdict, i.State), rank: rankStale})
		}
	}
	slices.SortStableFunc(list, func(a, b First) int { return a.rank - b.rank })
	return list
}

// firstCells lists the unexpected cells of a table. The same probes with the same verdict
// by the same rule are one item, whatever the setting.
func firstCells(t matrix.Table, flags []string) (list []First) {
	type group struct {
		Unexpected
		settings []string
	}
	var groups []*group
	for _, u := range AllUnexpected(&matrix.Matrix{Tables: []matrix.Table{t}}) {
		same := slices.IndexFunc(groups, func(g *group) bool {
			return g.Verdict == u.Verdict && g.Rule == u.Rule && slices.Equal(g.Probes, u.Probes)
		})
		if same < 0 {
			same, groups = len(groups), append(groups, &group{Unexpected: u})
		}
		groups[same].settings = append(groups[same].settings, u.Column.Setting.String())
	}
	for _, g := range groups {
		f := First{Verdict: g.Verdict, Kind: string(g.Verdict), Seen: g.Seen, rank: rankOf(g.Judgment),
			What: fmt.Sprintf("%s %s %s: %s", t.Kernel, t.Arch, ProbeList(g.settings), ProbeList(g.Probes))}
		if g.Why != "" {
			f.What += ": " + g.Why
		}
		if g.Rule != "" {
			f.What += " (rule " + g.Rule + ")"
		}
		if g.Verdict == matrix.Lost {
			f.Console = g.Column.End.Console
		}
		f.repeat(t, g.Column, g.Probes, flags)
		list = append(list, f)
	}
	return list
}

// firstGuests lists what is wrong with the guests of a table, whatever their cells are.
func firstGuests(t matrix.Table, flags []string) (list []First) {
	for i, c := range t.Columns {
		guest := fmt.Sprintf("%s %s %s: ", t.Kernel, t.Arch, c.Setting)
		add := func(kind, what string, rank int) {
			f := First{Kind: kind, What: guest + what, rank: rank}
			f.repeat(t, c, nil, flags)
			list = append(list, f)
		}
		for _, s := range c.Splats {
			add("kernel bug", "the kernel reported a bug of its own: "+s, rankUnexpected)
		}
		switch {
		case c.End.Failed():
			add("lab failed", c.End.String(), rankLost)
		case t.LostAfterProbes(i):
			add("lost", "after the last probe: "+c.End.String(), rankLost)
		case c.End.Well() && c.Tries > 1:
			add("ran again", "the guest was lost once, and passed when it ran again", rankAgain)
		}
	}
	return list
}

// imageKernel is the kernel's name in a run of --image. Its flags are not in the
// results.
const imageKernel = "image"

// repeat sets the command that repeats the probes in a guest, or all of its probes if
// these are many.
func (f *First) repeat(t matrix.Table, c matrix.Column, probes, flags []string) {
	if t.Kernel == imageKernel && len(flags) == 0 {
		f.Boot = c.Command
		return
	}
	var args []string
	if t.Kernel != imageKernel {
		args = append(args, "--kernel", t.Kernel)
	}
	args = append(args, "--arch", t.Arch)
	if t.Append != "" {
		args = append(args, "--append", t.Append)
	}
	args = append(append(args, flags...), "--setting", c.Setting.String())
	if len(probes) <= MaxNamed {
		for _, p := range probes {
			args = append(args, "--probe", p)
		}
	}
	f.Repeat = command(append([]string{"run"}, args...)...)
}

// command is a command of ldlab, quoted for a shell.
func command(args ...string) string {
	return "ldlab " + strings.TrimSpace(shellescape.QuoteCommand(args))
}
