package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/page"
	"github.com/ldlab/ldlab/report/words"
)

// reviewSection has what a series changes: remarks, cells, the answers of lockdown's
// files, call sites and the patches themselves.
func reviewSection(m Measurement) *page.Section {
	r := m.Review
	if r == nil {
		return nil
	}
	s := &page.Section{Name: "review", Title: "Review", Good: len(r.Arches) > 0 && !r.Grave(),
		About:   "What a series of patches changes in what lockdown enforces: the kernel with it, compared with the kernel of its base.",
		Summary: []string{fmt.Sprintf("%s, %s, on %s (Linux %s): %s", r.Series, words.Count(len(r.Patches), "patch"), r.Base.Name, r.Base.Version, conclusion(r))}}
	for _, n := range r.Notes {
		s.Summary = append(s.Summary, "note: "+n)
	}
	for _, a := range r.Arches {
		s.Summary = append(s.Summary, a.Arch+": "+archSummary(a))
	}
	tables := []page.Table{remarkTable(r)}
	for _, a := range r.Arches {
		tables = append(tables, changedCells(r, a), abiTable(a), callTable(a))
	}
	tables = append(tables, patchTable(r), kunitTable(r))
	s.Tables = slices.DeleteFunc(tables, func(t page.Table) bool { return len(t.Rows) == 0 })
	return s
}

func remarkTable(r *changes.Review) page.Table {
	t := page.Table{Caption: "Remarks", Heads: []string{"what", "is it grave", "architecture", "patch", "shown by"}, Choose: []int{1}}
	for _, m := range r.Remarks() {
		grave, patch := page.Cell{Kind: "open", Text: "no"}, ""
		if m.Grave {
			grave = page.Cell{Kind: "bad", Text: "yes"}
		}
		if m.Patch >= 0 {
			patch = r.Patches[m.Patch].Name
		}
		t.Rows = append(t.Rows, page.Row{Bad: m.Grave, Cells: []page.Cell{{Text: m.Text}, grave, {Text: strings.Join(m.Arches, ", ")}, {Text: patch}, {Text: strings.Join(m.Detail, "; ")}}})
	}
	return t
}

func changedCells(r *changes.Review, a changes.Arch) page.Table {
	t := page.Table{Caption: "Changed cells on " + a.Arch, Heads: []string{"probe", "change", "now", "before", "settings", "explanation"}, Choose: []int{1}}
	for _, c := range slices.Concat(a.Diff.Changes, a.New) {
		t.Rows = append(t.Rows, page.Row{Bad: !c.Now.Expected(), Cells: []page.Cell{{Text: c.Probe}, {Text: string(c.Kind)}, {Kind: page.Kind(c.Now), Text: string(c.Now)}, {Kind: page.Kind(c.Before), Text: string(c.Before)},
			{Text: strings.Join(c.Settings, ", ")}, {Text: c.Why}}})
	}
	return t
}

// abiTable has what lockdown's files answer otherwise.
func abiTable(a changes.Arch) page.Table {
	t := page.Table{Caption: "Answers of lockdown's files (ABI) on " + a.Arch, Heads: []string{"probe", "operation", "now", "before", "settings"}}
	for _, c := range a.Answers {
		t.Rows = append(t.Rows, page.Row{Bad: true, Cells: page.Texts(c.Probe, c.Op, c.Now, c.Before, strings.Join(c.Settings, ", "))})
	}
	return t
}

// callTable has the call sites that came, went or moved, the ways into them, and the
// kernel's reasons.
func callTable(a changes.Arch) page.Table {
	t := page.Table{Caption: "Call sites, callers and reasons on " + a.Arch, Heads: []string{"what", "reason", "change"}}
	for _, c := range a.Diff.Calls {
		change := fmt.Sprintf("%d call sites, before %d", c.Now, c.Before)
		if c.From != "" {
			change = "moved, before in " + c.From
		}
		t.Rows = append(t.Rows, page.Row{Bad: c.From == "" && c.Now < c.Before, Cells: page.Texts(c.Call, string(c.Reason), change)})
	}
	for _, c := range a.Callers {
		change := "leads to it no more"
		if c.Came {
			change = "is a new way to it"
		}
		t.Rows = append(t.Rows, page.Row{Bad: !c.Came, Cells: page.Texts(c.Name+" to "+c.Site, "", change)})
	}
	for _, c := range a.Reasons {
		t.Rows = append(t.Rows, page.Row{Bad: c.Grave, Cells: page.Texts("enum lockdown_reason", string(c.Reason), c.Text)})
	}
	return t
}

func patchTable(r *changes.Review) page.Table {
	t := page.Table{Caption: "Patches", Heads: []string{"patch", "title", "files", "does it build"}}
	for _, p := range r.Patches {
		build := page.Cell{Kind: "good", Text: "yes"}
		if len(p.Build) > 0 {
			build = page.Cell{Kind: "bad", Text: strings.Join(p.Build, "; ")}
		}
		t.Rows = append(t.Rows, page.Row{Bad: len(p.Build) > 0, Cells: append(page.Texts(p.Name, p.Subject, strings.Join(p.Files, ", ")), build)})
	}
	return t
}

func kunitTable(r *changes.Review) page.Table {
	t := page.Table{Caption: "KUnit", Heads: []string{"run", "architecture", "passed", "skipped", "what failed, or how the guest ended"}}
	for _, k := range r.KUnit {
		n, bad := ktap.Count(k.Tests), ktap.Bad(k.Tests)
		if k.Lost != "" {
			bad = append(bad, k.Lost)
		}
		t.Rows = append(t.Rows, page.Row{Bad: len(bad) > 0 && !k.Locked, Cells: page.Texts(k.When, k.Arch, fmt.Sprint(n[ktap.Passed]), fmt.Sprint(n[ktap.Skipped]), strings.Join(bad, "; "))})
	}
	return t
}
