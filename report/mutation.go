package report

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// mutations writes the status of each mutant, in Markdown that is readable on a
// terminal.
func mutations(b *strings.Builder, m Measurement) error {
	b.WriteString(`# Mutants

Made by ` + "`ldlab mutate`" + `: in each mutant, one call of security_locked_down() always gives the same
answer. If the call always allows, a probe that reaches it must get LEAK; if it always denies,
OVERBLOCKED. A mutant is not covered if it changes no answer, because no probe reaches its call or
the kernel gives that answer anyway.

A mutant is detected by the effect of an act if user space can see it. If a second call refuses the
act anyway, or an error comes first, only the kernel's counters show the mutant. They come from the
same series as the mutant, so that evidence is weaker.

`)
	for _, x := range m.Mutation {
		mutation(b, x)
	}
	return nil
}

func mutation(b *strings.Builder, m matrix.Mutation) {
	killed, survived := m.Count(matrix.Killed), m.Count(matrix.Survived)
	parts := origin(string(m.Interface), m.Origin)
	for i := range parts {
		parts[i] = escape(parts[i])
	}
	fmt.Fprintf(b, "## %s %s\n\n%s.\n\n", escape(m.Kernel), escape(m.Arch), strings.Join(parts, ",\n"))
	fmt.Fprintf(b, "%d of %d mutants killed (%.0f %%), %d survived, %d with an error, %d not covered;\n%d false alarms of the kernel without a mutant.\n\n",
		killed, killed+survived, percent(killed, killed+survived), survived, m.Count(matrix.MutantError), m.Count(matrix.NotCovered), len(m.Alarms))
	fmt.Fprintf(b, "Of the killed, %d were detected by the effect of an act, %d by the kernel's counters alone, %d by a crash.\n\n",
		m.CountDetected(matrix.DetectedByEffect), m.CountDetected(matrix.DetectedByCounters), m.CountDetected(matrix.DetectedByCrash))
	fmt.Fprintf(b, "| call site | always | status | detected by | probes that detected it, or why there is none |\n|---|---|---|---|---|\n")
	for _, x := range m.Mutants {
		name := code(x.Site)
		if x.Call != "" {
			name = fmt.Sprintf("%s (%s)", code(x.Call), name)
		}
		by := strings.Join(x.By, ", ")
		if by == "" {
			by = x.Why
		}
		status := string(x.Status)
		if x.Status == matrix.Survived || x.Status == matrix.MutantError {
			status = "**" + status + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name, escape(x.Answer), status, x.DetectedBy, escape(by))
	}
	if len(m.Alarms) > 0 {
		fmt.Fprintf(b, "\nFalse alarms:\n\n")
	}
	for _, a := range m.Alarms {
		fmt.Fprintf(b, "- %s\n", escape(a))
	}
	fmt.Fprintln(b)
}
