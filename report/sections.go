package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/page"
	"github.com/ldlab/ldlab/report/words"
)

// A section is a view of the page beside those of the matrix; nil if the measurement has
// nothing of it. Their order is that of the navigation.
var pageSections = []func(Measurement) *page.Section{coverageSection, mutationSection, findingsSection, reviewSection}

func sectionsOf(m Measurement) (list []page.Section) {
	for _, of := range pageSections {
		if s := of(m); s != nil {
			list = append(list, *s)
		}
	}
	return list
}

// reachKinds and the maps below give each word the look of a verdict.
var (
	reachKinds    = map[matrix.Reach]string{matrix.SiteDenied: "good", matrix.AllowedOnly: "open", matrix.NotReached: "none"}
	evidenceKinds = map[matrix.Evidence]string{matrix.Counted: "good", matrix.Compared: "good", matrix.AtBoot: "open", matrix.NotExercised: "none", matrix.LostCaller: "lost"}
	mutantKinds   = map[matrix.Status]string{matrix.Killed: "good", matrix.Equivalent: "open", matrix.NotCovered: "none", matrix.Survived: "bad", matrix.MutantError: "lost"}
	findingKinds  = map[findings.Status]string{findings.Reproduced: "good", findings.Refuted: "open", findings.NotApplicable: "none", findings.Undecided: "doubt"}
)

func coverageSection(m Measurement) *page.Section {
	if len(m.Coverage) == 0 {
		return nil
	}
	s := &page.Section{Name: "coverage", Title: "Coverage", Good: !slices.ContainsFunc(m.Coverage, func(c matrix.Coverage) bool { return !c.Sound() }),
		About: "The calls of security_locked_down() in each kernel, and the ways into them: which a probe exercised, or why none did. Denied: at least one check was denied. Open: it was checked, and allowed each time."}
	for _, c := range m.Coverage {
		s.Summary = append(s.Summary, coverageScore(c))
		if present, done := c.CountCallers(""); present > 0 {
			s.Summary = append(s.Summary, fmt.Sprintf("%s %s: %d of %s exercised (%s)", c.Kernel, c.Arch, done, words.Count(present, "caller"), flooredPercent(done, present)))
		}
		s.Summary = append(s.Summary, coverageFaults(c)...)
		s.Tables = append(s.Tables, siteTables(c)...)
	}
	return s
}

func coverageFaults(c matrix.Coverage) (list []string) {
	of := c.Kernel + " " + c.Arch + ": "
	for _, id := range c.WrongSite {
		list = append(list, of+id+" never reached the call site that it names")
	}
	for _, call := range c.OutdatedExclusions {
		list = append(list, of+call+" is listed as not reachable, but a probe reached it")
	}
	for _, name := range c.UnknownSites {
		list = append(list, of+"the kernel counted "+name+", which is not in its machine code")
	}
	return list
}

// siteTables are the call sites of a kernel, their callers, and the calls that are in its
// source only.
func siteTables(c matrix.Coverage) []page.Table {
	of := c.Kernel + " " + c.Arch
	sites := page.Table{Caption: "Call sites of " + of, Of: of, Heads: []string{"call site", "reason", "reach", "denied of checked", "probes, or why none"}, Choose: []int{1, 2}}
	for _, x := range c.Sites {
		bad, by := x.Reach == matrix.NotReached && x.Why == "", detail(x)
		if len(x.Probes) > 0 { // a page has room for all, and can be searched
			by = strings.Join(x.Probes, ", ")
			if x.Boot {
				by = "at boot, " + by
			}
		}
		sites.Rows = append(sites.Rows, page.Row{Bad: bad, Cells: []page.Cell{{Text: siteName(x)}, {Text: string(x.Reason)}, {Kind: orBad(bad, reachKinds[x.Reach]), Text: string(x.Reach)},
			{Text: fmt.Sprintf("%d of %d", x.Denials, x.Checks)}, {Text: by}}})
	}
	callers := page.Table{Caption: "Callers of the call sites of " + of, Of: of, Heads: []string{"caller", "call site", "evidence", "probes, or why none"}, Choose: []int{2}}
	for _, x := range c.Callers {
		bad, by := x.Evidence == matrix.LostCaller || x.Evidence == matrix.NotExercised && x.Why == "", strings.Join(x.By, ", ")
		if !x.Exercised() {
			by = whyNot(x)
		}
		callers.Rows = append(callers.Rows, page.Row{Bad: bad, Cells: []page.Cell{{Text: x.Name}, {Text: x.Site}, {Kind: orBad(bad, evidenceKinds[x.Evidence]), Text: string(x.Evidence)}, {Text: by}}})
	}
	absent := page.Table{Caption: "Calls in the source that are not compiled into " + of, Of: of, Heads: []string{"call", "reason", "why"}, Choose: []int{1}}
	for _, x := range c.Absent {
		row := page.Row{Bad: x.Why == "", Cells: page.Texts(fmt.Sprintf("%s:%d", x.Where(), x.Line), string(x.Reason), x.Why)}
		if row.Bad {
			row.Cells[2] = page.Cell{Kind: "bad", Text: unknownReason}
		}
		absent.Rows = append(absent.Rows, row)
	}
	return slices.DeleteFunc([]page.Table{sites, callers, absent}, func(t page.Table) bool { return len(t.Rows) == 0 })
}

func orBad(bad bool, kind string) string {
	if bad {
		return "bad"
	}
	return kind
}

func mutationSection(m Measurement) *page.Section {
	if len(m.Mutation) == 0 {
		return nil
	}
	s := &page.Section{Name: "mutation", Title: "Mutation", Good: !slices.ContainsFunc(m.Mutation, func(x matrix.Mutation) bool { return !x.Sound() }),
		About: "Each mutant is the kernel with one check of lockdown broken on purpose. It is killed if a probe notices that. The score is killed of those that a probe could notice."}
	scores := page.Table{Caption: "Mutation score", Heads: []string{"kernel", "score"}}
	for _, x := range matrix.Statuses() {
		scores.Heads = append(scores.Heads, string(x))
	}
	scores.Heads = append(scores.Heads, "false alarms")
	var all []page.Table
	for _, x := range m.Mutation {
		of := x.Kernel + " " + x.Arch
		killed, counted := scored(x)
		row := page.Row{Bad: !x.Sound(), Cells: page.Texts(of, flooredPercent(killed, counted))}
		for _, status := range matrix.Statuses() {
			row.Cells = append(row.Cells, page.Cell{Text: fmt.Sprint(x.Count(status))})
		}
		alarms := fmt.Sprint(len(x.Alarms))
		if !hasControl(x) {
			alarms = "did not run"
		}
		row.Cells = append(row.Cells, page.Cell{Text: alarms})
		row.Cells[1].Kind = orBad(row.Bad, "good")
		scores.Rows = append(scores.Rows, row)
		s.Summary = append(s.Summary, fmt.Sprintf("%s: %d of %s killed (%s)", of, killed, words.Count(counted, "mutant"), flooredPercent(killed, counted)))
		for _, a := range x.Alarms {
			s.Summary = append(s.Summary, of+": false alarm of the kernel without a mutant: "+a)
		}
		all = append(all, mutantTable(x))
	}
	s.Tables = append([]page.Table{scores}, all...)
	return s
}

func mutantTable(m matrix.Mutation) page.Table {
	of := m.Kernel + " " + m.Arch
	t := page.Table{Caption: "Mutants of " + of, Of: of, Heads: []string{"mutant", "kind", "status", "detected by", "probes that detected it, or why there is none"}, Choose: []int{1, 2, 3}}
	for _, x := range m.Mutants {
		by := strings.Join(x.By, ", ")
		if x.Reason != "" && !x.Kind.OfReason() { // the kinds can be chosen, so they are without it
			by = strings.TrimPrefix(by+"; checks "+string(x.Reason)+" instead", "; ")
		}
		if x.Why != "" {
			by = strings.TrimPrefix(by+": "+x.Why, ": ")
		}
		t.Rows = append(t.Rows, page.Row{Bad: x.Status == matrix.Survived || x.Status == matrix.MutantError,
			Cells: []page.Cell{{Text: name(x, asItIs, asItIs)}, {Text: string(x.Kind)}, {Kind: mutantKinds[x.Status], Text: string(x.Status)}, {Text: string(x.DetectedBy)}, {Text: by}}})
	}
	return t
}

func findingsSection(m Measurement) *page.Section {
	if len(m.Findings) == 0 {
		return nil
	}
	s := &page.Section{Name: "findings", Title: "Findings", Good: true,
		About: "Claims of a review, an advisory or a bug report, which the lab ran. A claim that is refuted is no failure: what fails is a status other than the one that was recorded."}
	for _, line := range findingCounts(m.Findings) {
		text, _, _ := strings.Cut(line, ", marked with")
		s.Summary = append(s.Summary, text)
	}
	t := page.Table{Caption: "Claims", Heads: []string{"finding", "claim", "kind", "status", "recorded", "evidence", "source"}, Choose: []int{2, 3}}
	on := page.Table{Caption: "The same on each kernel", Heads: []string{"finding", "kernel", "status", "evidence"}, Choose: []int{2}}
	for _, o := range m.Findings {
		bad, claim := !o.AsRecorded(), o.Claim
		s.Good = s.Good && !bad
		if o.Note != "" {
			claim += " Note: " + o.Note
		}
		t.Rows = append(t.Rows, page.Row{Bad: bad, Cells: []page.Cell{{Text: o.ID}, {Text: claim}, {Text: string(o.Kind)}, {Kind: orBad(bad, findingKinds[o.Status]), Text: string(o.Status)},
			{Text: string(o.Expect)}, {Text: o.Why}, {Text: strings.Join(o.Source, "; ")}}})
		for _, r := range o.On {
			kernel := r.Kernel + " " + r.Arch
			if r.Patch != "" {
				kernel += " with " + r.Patch
			}
			on.Rows = append(on.Rows, page.Row{Cells: []page.Cell{{Text: o.ID}, {Text: kernel}, {Kind: findingKinds[r.Status], Text: string(r.Status)}, {Text: r.Why}}})
		}
	}
	s.Tables = slices.DeleteFunc([]page.Table{t, on}, func(t page.Table) bool { return len(t.Rows) == 0 })
	return s
}
