package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix"
)

// Coverage writes for a terminal which call sites were exercised.
func Coverage(w io.Writer, cs []matrix.Coverage) error {
	b := &strings.Builder{}
	for i, c := range cs {
		if i > 0 {
			fmt.Fprintln(b)
		}
		coverage(b, c)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func coverage(b *strings.Builder, c matrix.Coverage) {
	present, refused, open := c.Count()
	fmt.Fprintf(b, "%s %s: %d of %d call sites exercised (%.0f %%): %d denied, %d only while open, %d not exercised\n\n",
		c.Kernel, c.Arch, refused+open, present, percent(refused+open, present), refused, open, present-refused-open)
	wide := 0
	for _, s := range c.Sites {
		wide = max(wide, len(cover(s)))
	}
	for _, s := range c.Sites {
		fmt.Fprintf(b, "  %-*s  %-13s  %6d/%-6d  %s\n", wide, cover(s), s.Reach, s.Denials, s.Checks, detail(s))
	}
	if len(c.Absent) > 0 {
		fmt.Fprintf(b, "\n  compiled out: %d of the calls in the source\n", len(c.Absent))
	}
	for _, a := range c.Absent {
		why := a.Why
		if why == "" {
			why = "nobody knows why"
		}
		fmt.Fprintf(b, "  %-*s  %s\n", wide, fmt.Sprintf("%s:%d", a.Where(), a.Line), why)
	}
	for _, id := range c.WrongSite {
		fmt.Fprintf(b, "\n  %s never asked at the site that it is for\n", id)
	}
	for _, call := range c.OutdatedExclusions {
		fmt.Fprintf(b, "\n  %s is said to be out of reach, and is not\n", call)
	}
	for _, name := range c.UnknownSites {
		fmt.Fprintf(b, "\n  the kernel counted %s, which is not in its machine code\n", clean(name))
	}
}

// cover names a site as in the source where that is known.
func cover(s matrix.Covered) string {
	if s.Where() == "" {
		return s.Name
	}
	return fmt.Sprintf("%s:%d", s.Where(), s.Line)
}

// maxProbes is how many probes of a site are named.
const maxProbes = 3

func detail(s matrix.Covered) string {
	switch {
	case s.Reach == matrix.NotReached && s.Why == "":
		return "nobody knows why"
	case s.Reach == matrix.NotReached:
		return s.Why
	}
	probes := slices.Clone(s.Probes)
	if n := len(probes); n > maxProbes+1 {
		probes = append(probes[:maxProbes], fmt.Sprintf("and %d more", n-maxProbes))
	}
	text := strings.Join(probes, ", ")
	if s.Boot {
		text = strings.TrimSuffix("at boot, "+text, ", ")
	}
	return text
}

func percent(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return 100 * float64(n) / float64(of)
}
