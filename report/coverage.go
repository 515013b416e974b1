package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// coverages writes for a terminal which call sites were exercised.
func coverages(b *strings.Builder, m Measurement) error {
	for i, c := range m.Coverage {
		if i > 0 {
			fmt.Fprintln(b)
		}
		coverage(b, c)
	}
	return nil
}

// coverageScore sums up the call sites of a kernel.
func coverageScore(c matrix.Coverage) string {
	present, refused, open := c.Count()
	return fmt.Sprintf("%s %s: %d of %d call sites exercised (%s): %d denied, %d only while open, %d not exercised",
		c.Kernel, c.Arch, refused+open, present, flooredPercent(refused+open, present), refused, open, present-refused-open)
}

func coverage(b *strings.Builder, c matrix.Coverage) {
	fmt.Fprintf(b, "%s\n\n", words.Clean(coverageScore(c)))
	wide := 0
	for _, s := range c.Sites {
		wide = max(wide, len(siteName(s)))
	}
	for _, s := range c.Sites {
		fmt.Fprintf(b, "  %-*s  %-13s  %6d/%-6d  %s\n", wide, siteName(s), s.Reach, s.Denials, s.Checks, words.Clean(detail(s)))
	}
	if len(c.Absent) > 0 {
		fmt.Fprintf(b, "\n  compiled out: %d of the calls in the source\n", len(c.Absent))
	}
	for _, a := range c.Absent {
		why := a.Why
		if why == "" {
			why = unknownReason
		}
		fmt.Fprintf(b, "  %-*s  %s\n", wide, words.Clean(fmt.Sprintf("%s:%d", a.Where(), a.Line)), words.Clean(why))
	}
	callers(b, c)
	for _, id := range c.WrongSite {
		fmt.Fprintf(b, "\n  %s never reached the call site that it names\n", words.Clean(id))
	}
	for _, call := range c.OutdatedExclusions {
		fmt.Fprintf(b, "\n  %s is listed as not reachable, but a probe reached it\n", words.Clean(call))
	}
	for _, name := range c.UnknownSites {
		fmt.Fprintf(b, "\n  the kernel counted %s, which is not in its machine code\n", words.Clean(name))
	}
}

// callers writes, for each call site that has several, how many ways into it were
// exercised, and which were not.
func callers(b *strings.Builder, c matrix.Coverage) {
	if len(c.Callers) == 0 {
		fmt.Fprint(b, "\n  callers of the call sites: not known\n")
		return
	}
	present, exercised := c.CountCallers("")
	n := map[matrix.Evidence]int{}
	var wrappers []string
	wide := 0
	for _, x := range c.Callers {
		n[x.Evidence]++
		if all, done := c.CountCallers(x.Site); (all > 1 || done < all || x.Evidence == matrix.LostCaller) && !slices.Contains(wrappers, x.Site) {
			wrappers = append(wrappers, x.Site)
		}
		if !x.Exercised() {
			wide = max(wide, len(words.Clean(x.Name)))
		}
	}
	fmt.Fprintf(b, "\n  callers: %d of %d exercised: %d counted at the site, %d compared with the control, %d at boot, %d not exercised, %d lost\n",
		exercised, present, n[matrix.Counted], n[matrix.Compared], n[matrix.AtBoot], n[matrix.NotExercised], n[matrix.LostCaller])
	for _, site := range wrappers {
		present, exercised := c.CountCallers(site)
		fmt.Fprintf(b, "  %s: %d of %d\n", words.Clean(site), exercised, present)
		for _, x := range c.Callers {
			if x.Site == site && !x.Exercised() {
				fmt.Fprintf(b, "    %-*s  %s  %s\n", wide, words.Clean(x.Name), x.Evidence, words.Clean(whyNot(x)))
			}
		}
	}
}

// whyNot is why a caller was not exercised.
func whyNot(x matrix.CoveredCaller) string {
	switch {
	case x.Evidence == matrix.LostCaller:
		return "does not check any more, or has another name"
	case x.Why == "":
		return unknownReason
	}
	return x.Why
}

// siteName names a site as the source does, or, if that is not known, as the
// kernel does.
func siteName(s matrix.Covered) string {
	if s.Where() == "" {
		return words.Clean(s.Name)
	}
	name := fmt.Sprintf("%s:%d", s.Where(), s.Line)
	if n := len(s.Copies); n > 0 {
		name += fmt.Sprintf(" (%d copies)", n+1)
	}
	return words.Clean(name)
}

// unknownReason stands for a reason that the tables do not have.
const unknownReason = "reason unknown"

func detail(s matrix.Covered) string {
	switch {
	case s.Reach == matrix.NotReached && s.Why == "":
		return unknownReason
	case s.Reach == matrix.NotReached:
		return s.Why
	}
	text := words.ProbeList(s.Probes)
	if s.Boot {
		text = strings.TrimSuffix("at boot, "+text, ", ")
	}
	return text
}
