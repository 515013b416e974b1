package matrix

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Listed caller is one that a kernel should have, and the probes whose act goes
// through it: "PROBE", or "PROBE: VARIANT". That it does is declared in a table.
type Listed struct {
	lockdown.Caller
	By  []string
	Why string // no probe goes through it: the reason
}

// An Evidence is what a run shows of a caller that a table says a probe goes
// through.
type Evidence string

const (
	// Counted is a probe whose task the kernel counted at the call site.
	Counted Evidence = "counted"
	// Compared is a variant of a probe that was allowed with nothing locked and
	// denied with everything locked. The kernel does not count variants apart.
	Compared Evidence = "compared"
	// AtBoot is a call site that the kernel's own tasks reached during boot.
	AtBoot Evidence = "at boot"
	// NotExercised is no evidence.
	NotExercised Evidence = "not exercised"
	// LostCaller is a caller that the table has and the machine code has not: it does
	// not check any more, or has another name.
	LostCaller Evidence = "lost"
)

// A CoveredCaller is a way into a call site, and what a run shows of it.
type CoveredCaller struct {
	lockdown.Caller
	Evidence Evidence
	By       []string `json:",omitempty"` // the probes and variants that are the evidence
	Why      string   `json:",omitempty"` // NotExercised, LostCaller: the known reason; empty: there is none
}

// Exercised reports whether a run went through the caller.
func (c CoveredCaller) Exercised() bool {
	return c.Evidence != NotExercised && c.Evidence != LostCaller
}

// findCallers joins the callers in the machine code with those that the table
// lists.
func (n *counting) findCallers(target Target) {
	type key struct{ site, name string }
	listed := map[key]Listed{}
	for _, l := range target.Listed {
		listed[key{l.Site, l.Name}] = l
	}
	for _, c := range target.Callers {
		l, known := listed[key{c.Site, c.Name}]
		delete(listed, key{c.Site, c.Name})
		covered := n.evidenceOf(c, l)
		switch {
		case !known:
			covered.Why = "" // nobody knows it
		case c.Times < l.Times:
			covered = CoveredCaller{Caller: c, Evidence: LostCaller}
		}
		n.coverage.Callers = append(n.coverage.Callers, covered)
	}
	for _, l := range listed {
		if len(target.Callers) > 0 {
			n.coverage.Callers = append(n.coverage.Callers, CoveredCaller{Caller: l.Caller, Evidence: LostCaller})
		}
	}
	slices.SortFunc(n.coverage.Callers, func(a, b CoveredCaller) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name, b.Name))
	})
}

// evidenceOf is what the run shows of a caller.
func (n *counting) evidenceOf(c lockdown.Caller, l Listed) CoveredCaller {
	covered := CoveredCaller{Caller: c, Evidence: NotExercised, Why: l.Why}
	for _, by := range l.By {
		probe, _, isVariant := strings.Cut(by, ": ")
		switch {
		case isVariant && n.denied[by] && n.passed[by]:
			covered.show(Compared, by)
		case !isVariant && n.met[probe+" "+c.Site]:
			covered.show(Counted, by)
		}
	}
	for _, s := range n.coverage.Sites {
		if s.Where() != c.Site {
			continue
		}
		if s.Boot && c.Name == lockdown.CallerBoot && covered.Evidence == NotExercised {
			covered.show(AtBoot, "")
		}
		if s.Reach == NotReached && covered.Why == "" {
			covered.Why = s.Why
		}
	}
	return covered
}

// show adds evidence. The strongest that there is counts.
func (c *CoveredCaller) show(e Evidence, by string) {
	if c.Evidence == Counted && e != Counted {
		return
	}
	if c.Evidence != e {
		c.Evidence, c.By = e, nil
	}
	c.Why = ""
	if by != "" {
		c.By = append(c.By, by)
	}
}

// vary notes what became of the variants of a probe.
func (n *counting) vary(r Result, o scenarios.Observation) {
	for _, v := range o.Variants {
		name := o.Probe + ": " + v.Args
		switch {
		case v.Outcome == scenarios.Denied && r.Setting.Locked():
			n.denied[name] = true
		case v.Outcome == scenarios.Allowed && !r.Setting.Locked():
			n.passed[name] = true
		}
	}
}

// CountCallers counts the callers of one call site, or, if it is empty, of all:
// those that are there, and those that a run went through.
func (c Coverage) CountCallers(site string) (present, exercised int) {
	for _, x := range c.Callers {
		if site != "" && x.Site != site || x.Evidence == LostCaller {
			continue
		}
		present++
		if x.Exercised() {
			exercised++
		}
	}
	return present, exercised
}

// callersSound reports whether a reason is known for each caller that no probe
// goes through, and none is lost.
func (c Coverage) callersSound() bool {
	return !slices.ContainsFunc(c.Callers, func(x CoveredCaller) bool {
		return x.Evidence == LostCaller || x.Evidence == NotExercised && x.Why == ""
	})
}
