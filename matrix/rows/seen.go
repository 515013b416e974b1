package rows

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/scenarios"
)

// Seen writes what a machine saw, without times and without how often a check was made.
// Machines that saw the same have the same verdicts. It depends on the machine's load
// which denials are in the log of a kernel that counts, so only one that is missing in a
// whole log is written.
func Seen(w io.Writer, states []scenarios.State, list []scenarios.Observation) {
	counts := slices.ContainsFunc(states, func(s scenarios.State) bool { return s.Counts })
	fmt.Fprint(w, counts)
	for _, s := range states {
		fmt.Fprintf(w, "\nstate %q %q %q %q %q %v", s.When, s.LSM, s.Level, s.Reasons, s.Errors, len(s.Splats) > 0)
		digestDenials(w, "", s.Checks, s.Log, counts)
	}
	for _, o := range list {
		fmt.Fprintf(w, "\n%q", o.Probe)
		digestReport(w, o.Report)
		fmt.Fprintf(w, " left %q log lacks %v", o.Left, counts && NotLogged(&o) != nil)
		digestDenials(w, o.Comm, o.Checks, o.Log, counts)
		for _, v := range o.Variants {
			fmt.Fprintf(w, "\nvariant %q", v.Args)
			digestReport(w, v.Report)
		}
	}
}

// NotLogged is a denial that the kernel counted and that its log lacks, although the log
// is whole; nil if there is none.
func NotLogged(o *scenarios.Observation) *scenarios.Check {
	if !o.LogWhole {
		return nil
	}
	for _, k := range o.Checks {
		line := fmt.Sprintf("Lockdown: %s: %s is restricted", o.Comm, k.Label)
		if k.Denials > 0 && k.Comm == o.Comm && !slices.ContainsFunc(o.Log, func(l string) bool { return strings.Contains(l, line) }) {
			return &k
		}
	}
	return nil
}

// digestReport leaves out the calls, which may have the number of a process or an address.
func digestReport(w io.Writer, r scenarios.Report) {
	fmt.Fprintf(w, " %q %q %q %q %v", r.Outcome, r.Errno, r.Face, r.Effect, r.Stuck)
	if r.Outcome == scenarios.Unavailable {
		fmt.Fprintf(w, " %q", r.Why)
	}
	for _, o := range r.Ops {
		fmt.Fprintf(w, " op %q %q %q %q %d %v %d", o.Call, o.File, o.Data, o.Err, o.At, o.Same, o.Group)
	}
	for _, s := range r.Steps {
		fmt.Fprintf(w, " step %q %q %q %v %v %v", s.Err, s.Read, s.ReadHex, s.Done, s.Lines > 0, len(s.Denials) > 0)
	}
}

// digestDenials has each check once, and each reason whose denial was logged by a kernel
// that does not count. A check was denied never, sometimes or always. A task may have
// another number in another guest.
func digestDenials(w io.Writer, own string, checks []scenarios.Check, log []string, counts bool) {
	task := func(comm string) string {
		if comm == own {
			return "own"
		}
		return strings.TrimRight(comm, "0123456789")
	}
	var list []string
	for _, c := range checks {
		denied := "sometimes"
		switch c.Denials {
		case 0:
			denied = "never"
		case c.Checks:
			denied = "always"
		}
		list = append(list, fmt.Sprintf(" check %q %q %q %s", c.Site, c.Label, task(c.Comm), denied))
	}
	for _, line := range log {
		_, text, _ := strings.Cut(line, "Lockdown: ")
		comm, rest, _ := strings.Cut(text, ": ")
		if label, _, ok := strings.Cut(rest, " is restricted"); ok && !counts {
			list = append(list, fmt.Sprintf(" logged %q %q", label, task(comm)))
		}
	}
	slices.Sort(list)
	fmt.Fprint(w, slices.Compact(list))
}
