package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// Mutation writes, in Markdown that a terminal shows well too, what became of
// each mutant.
func Mutation(w io.Writer, ms []matrix.Mutation) error {
	b := &strings.Builder{}
	fmt.Fprint(b, "# Mutants\n\nMade by `ldlab mutate`: one call of security_locked_down() at a time always gives the same answer. One that\n"+
		"always allows must come out as LEAK, one that always denies as OVERBLOCKED, from a probe that asks there. NotCovered are\n"+
		"mutants that change no answer: nobody asks there, or the kernel answers so anyway.\n\n"+
		"A mutant is told by the act where user space sees it. Where a second call refuses all the same, or an error stands in\n"+
		"the way, only the kernel's counts tell, and those are kept by the series that makes the mutant.\n\n")
	for _, m := range ms {
		mutation(b, m)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mutation(b *strings.Builder, m matrix.Mutation) {
	killed, survived := m.Count(matrix.Killed), m.Count(matrix.Survived)
	fmt.Fprintf(b, "## %s %s\n\n%s.\n\n", m.Kernel, m.Arch, escape(origin(matrix.Table{Interface: m.Interface, Origin: m.Origin})))
	fmt.Fprintf(b, "%d of %d mutants killed (%.0f %%), %d survived, %d without a verdict, %d unreachable; %d false alarms of the kernel without a mutant.\n\n",
		killed, killed+survived, percent(killed, killed+survived), survived, m.Count(matrix.MutantError), m.Count(matrix.NotCovered), len(m.Alarms))
	fmt.Fprintf(b, "Of the killed, %d were told by an act that came out otherwise, %d by the kernel's counts alone, %d by a crash.\n\n",
		m.CountDetected(matrix.DetectedByEffect), m.CountDetected(matrix.DetectedByCounters), m.CountDetected(matrix.DetectedByCrash))
	fmt.Fprintf(b, "| call site | answers always | fate | told by | probes that gave alarm |\n|---|---|---|---|---|\n")
	for _, x := range m.Mutants {
		name := "`" + x.Site + "`"
		if x.Call != "" {
			name = fmt.Sprintf("`%s` (%s)", x.Call, name)
		}
		by := strings.Join(x.By, ", ")
		if by == "" {
			by = x.Why
		}
		fate := string(x.Status)
		if x.Status == matrix.Survived || x.Status == matrix.MutantError {
			fate = "**" + fate + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, x.Answer, fate, x.DetectedBy, escape(by))
	}
	if len(m.Alarms) > 0 {
		fmt.Fprintf(b, "\nFalse alarms:\n\n")
	}
	for _, a := range m.Alarms {
		fmt.Fprintf(b, "- %s\n", escape(a))
	}
	fmt.Fprintln(b)
}
