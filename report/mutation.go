package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// mutations writes the status of each mutant, in Markdown that is readable on a
// terminal.
func mutations(b *strings.Builder, m Measurement) error {
	b.WriteString(`# Mutants

Made by ` + "`ldlab mutate`" + `: each mutant is the kernel with one check of lockdown broken on purpose. The
probes that the break can change run on it. A mutant is killed if one of their verdicts is not as
expected any more.

The evidence, the strongest first: the effect of an act, which user space can see; a crash; the
kernel's counters, if the act ended as before and only the number or the reason of the checks
differs; a doubt, if a probe that was enforced proves nothing any more. The counters come from the
same series as the mutants.

A mutant is equivalent if it was shown to promise the same as the kernel: another call denies the
same acts, or the boot makes the call once and as root. It is not reached if no probe gets another
answer from it than from the kernel; nothing follows about such a mutant.

| kind | what is broken |
|---|---|
`)
	for _, k := range matrix.MutantKinds() {
		fmt.Fprintf(b, "| %s | %s |\n", k, k.Text())
	}
	b.WriteString("\n")
	for _, x := range m.Mutation {
		mutation(b, x)
	}
	return nil
}

func mutation(b *strings.Builder, m matrix.Mutation) {
	parts := words.Origin(string(m.Interface), m.Origin)
	for i := range parts {
		parts[i] = words.Markdown(parts[i])
	}
	fmt.Fprintf(b, "## %s %s\n\n%s.\n\n%s\n\n", words.Markdown(m.Kernel), words.Markdown(m.Arch), strings.Join(parts, ",\n"), score(m))
	kinds(b, m)
	fmt.Fprintf(b, "| mutant | kind | status | detected by | probes that detected it, or why there is none |\n|---|---|---|---|---|\n")
	for _, x := range m.Mutants {
		by := strings.Join(x.By, ", ")
		if by == "" {
			by = x.Why
		}
		status := string(x.Status)
		if x.Status == matrix.Survived || x.Status == matrix.MutantError {
			status = "**" + status + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", name(x, words.Code, words.Markdown), words.Markdown(kind(x)), status, x.DetectedBy, words.Markdown(by))
	}
	if len(m.Alarms) > 0 {
		fmt.Fprintf(b, "\nFalse alarms:\n\n")
	}
	for _, a := range m.Alarms {
		fmt.Fprintf(b, "- %s\n", words.Markdown(a))
	}
	fmt.Fprintln(b)
}

// score sums up what became of the mutants, and of which nothing is known.
func score(m matrix.Mutation) string {
	n := m.Count
	killed, of := scored(m)
	alarms := fmt.Sprintf("%d false alarms of the kernel without a mutant", len(m.Alarms))
	if !hasControl(m) {
		alarms = "the kernel without a mutant did not run"
	}
	text := fmt.Sprintf("%d possible mutants: %d of %d killed (%s), %d survived, %d with an error;\n%d equivalent, %d not reached; %s.\n\n",
		len(m.Mutants), killed, of, flooredPercent(killed, of), n(matrix.Survived), n(matrix.MutantError), n(matrix.Equivalent), n(matrix.NotCovered), alarms)
	var by []string
	for _, d := range matrix.Detections() {
		by = append(by, fmt.Sprintf("%d by %s", m.CountDetected(d), d))
	}
	return text + "Of the killed, detected " + strings.Join(by, ", ") + "."
}

// scored counts the killed mutants, and those that a probe could notice.
func scored(m matrix.Mutation) (killed, of int) {
	killed = m.Count(matrix.Killed)
	return killed, killed + m.Count(matrix.Survived) + m.Count(matrix.MutantError)
}

// hasControl reports whether the kernel without a mutant ran, which mutants of the source
// have none of.
func hasControl(m matrix.Mutation) bool {
	return slices.ContainsFunc(m.Mutants, func(x matrix.Mutant) bool { return x.Kind.AtRunTime() })
}

// flooredPercent never rounds up: all but one of many is not 100 %.
func flooredPercent(n, of int) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%g %%", math.Floor(1000*float64(n)/float64(of))/10)
}

// kinds writes a table of the mutants of each kind.
func kinds(b *strings.Builder, m matrix.Mutation) {
	b.WriteString("| kind |")
	for _, s := range matrix.Statuses() {
		fmt.Fprintf(b, " %s |", s)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(matrix.Statuses())) + "\n")
	for _, k := range matrix.MutantKinds() {
		line, all := fmt.Sprintf("| %s |", k), 0
		for _, s := range matrix.Statuses() {
			all += m.CountKind(k, s)
			line += fmt.Sprintf(" %d |", m.CountKind(k, s))
		}
		if all > 0 {
			b.WriteString(line + "\n")
		}
	}
	b.WriteString("\n")
}

// name is the call site or the reason that a mutant breaks, as code and text write them.
func name(x matrix.Mutant, code, text func(string) string) string {
	switch {
	case x.Kind.OfReason():
		return text(string(x.Reason))
	case x.Call == "":
		return code(x.Site)
	}
	return fmt.Sprintf("%s (%s)", code(x.Call), code(x.Site))
}

func asItIs(text string) string { return text }

// kind is a mutant's kind, with the reason that its call checks instead.
func kind(x matrix.Mutant) string {
	if x.Reason == "" || x.Kind.OfReason() {
		return string(x.Kind)
	}
	return fmt.Sprintf("%s (%s)", x.Kind, x.Reason)
}
