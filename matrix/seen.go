package matrix

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/scenarios"
)

// Seen digests how the guest ended and what it saw, without times and without how often a
// check was made. Two results with the same digest have the same verdicts. Of a kernel
// that counts, it depends on the load of the machine which denials the log has.
func (r *Result) Seen() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%v %q", r.End.Well(), r.End.Cause)
	for _, m := range r.Machines {
		counts := slices.ContainsFunc(m.States, func(s scenarios.State) bool { return s.Counts })
		fmt.Fprintf(h, "\nmachine %q %v", m.Profile, counts)
		for _, s := range m.States {
			fmt.Fprintf(h, "\nstate %q %q %q %q %q %v", s.When, s.LSM, s.Level, s.Reasons, s.Errors, len(s.Splats) > 0)
			digestDenials(h, "", s.Checks, s.Log, counts)
		}
		for _, o := range m.Observations {
			fmt.Fprintf(h, "\n%q", o.Probe)
			digestReport(h, o.Report)
			fmt.Fprintf(h, " left %q log lacks %v", o.Left, counts && notLogged(&o) != nil)
			digestDenials(h, o.Comm, o.Checks, o.Log, counts)
			for _, v := range o.Variants {
				fmt.Fprintf(h, "\nvariant %q", v.Args)
				digestReport(h, v.Report)
			}
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
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
// that does not count. A check was denied never, sometimes or always. A task is the
// kernel's, the probe's own or another.
func digestDenials(w io.Writer, own string, checks []scenarios.Check, log []string, counts bool) {
	var list []string
	for _, c := range checks {
		denied := "sometimes"
		switch c.Denials {
		case 0:
			denied = "never"
		case c.Checks:
			denied = "always"
		}
		list = append(list, fmt.Sprintf(" check %q %q %v %v %s", c.Site, c.Label, kernelTask(c.Comm), c.Comm == own, denied))
	}
	for _, line := range log {
		_, text, _ := strings.Cut(line, "Lockdown: ")
		comm, rest, _ := cutComm(text, own)
		if label, _, ok := strings.Cut(rest, " is restricted"); ok && !counts {
			list = append(list, fmt.Sprintf(" logged %q %v %v", label, kernelTask(comm), comm == own))
		}
	}
	slices.Sort(list)
	fmt.Fprint(w, slices.Compact(list))
}
