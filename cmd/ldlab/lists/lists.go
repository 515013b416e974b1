// Package lists has the lines of "ldlab list".
package lists

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Line is one line of a list.
type Line struct {
	Name string
	Text string
}

// A List is a section of "ldlab list".
type List struct {
	Name string
	Rows func() ([]Line, error)
}

// All are the lists, in order.
func All() []List {
	return []List{
		{"kernels", kernelsList},
		{"bases", basesList},
		{"arches", archesList},
		{"settings", settingsList},
		{"scenarios", scenariosList},
		{"probes", probesList},
		{"gaps", gapsList},
		{"rules", rulesList},
		{"findings", findingsList},
	}
}

func kernelsList() ([]Line, error) {
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	var rows []Line
	for _, k := range t.Kernels() {
		rows = append(rows, Line{k.Name, fmt.Sprintf("%s (base %s, series %s, %s)", k.Title, k.Base, cmp.Or(strings.Join(k.Series, "+"), "none"), k.Interface)})
	}
	return append(rows, Line{kernels.ReadyPrefix + "SERIES", "Debian's kernel, as its packages ship it, such as " + strings.Join(kernels.ReadyExamples(), ", ")}), nil
}

func basesList() ([]Line, error) {
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	var rows []Line
	for _, name := range t.Bases() {
		b, _ := t.Base(name)
		rows = append(rows, Line{name, fmt.Sprintf("%s (%s)", b.Title, b.Source)})
	}
	return rows, nil
}

func archesList() ([]Line, error) {
	var rows []Line
	for _, a := range arch.All() {
		rows = append(rows, Line{a.Name, fmt.Sprintf("%s -machine %s", a.QEMU, a.Machine)})
	}
	return rows, nil
}

// settingsList lists the default settings of a bitmap kernel, and then the
// words of which settings are made.
func settingsList() ([]Line, error) {
	rows := []Line{{"none", "nothing locked: the control, which always runs"}}
	var probes []string
	for _, r := range scenarios.Rows() {
		probes = append(probes, r.ID)
	}
	for _, s := range plan.DefaultSettings(lockdown.Bitmap, arch.All()[0].Name, probes) {
		rows = append(rows, Line{s.String(), "default; shows " + s.Level.String()})
	}
	return append(rows, Line{"WORD[,WORD...][@boot|@runtime|@coco|@kernel]",
		"WORD: none integrity confidentiality " + strings.Join(lockdown.Tokens(), " ")}), nil
}

func scenariosList() ([]Line, error) {
	var rows []Line
	for _, s := range scenarios.All() {
		rows = append(rows, Line{s.Name, s.Title})
	}
	return rows, nil
}

func probesList() ([]Line, error) {
	var rows []Line
	for _, r := range scenarios.Rows() {
		text := r.Call + "; " + map[scenarios.Expectation]string{
			scenarios.Checked:   "denied by " + string(r.Reason),
			scenarios.Unchecked: "never denied",
			scenarios.ABI:       "answers like the model",
			scenarios.Gap:       "known gap, " + string(r.Class) + ": allowed even if " + string(r.Reason) + " is locked; " + r.Source,
		}[r.Expect]
		if r.Site != "" {
			text += "; " + r.Site
		}
		if len(r.Only) > 0 {
			text += "; " + strings.Join(r.Only, " ") + " only"
		}
		rows = append(rows, Line{r.ID, text})
	}
	return rows, nil
}

// gapsList lists what lockdown does not check: the known gaps, and the probes that
// are gaps on some kernels.
func gapsList() ([]Line, error) {
	var rows []Line
	for _, r := range scenarios.Rows() {
		if r.Expect == scenarios.Gap {
			text := fmt.Sprintf("%s; %s; %s; %s", r.Reason, r.Class, versions(r.Since, r.Until), r.Source)
			rows = append(rows, Line{r.ID, text + "; a check in " + cmp.Or(r.ClosedBy, r.Site) + " would close it"})
		}
		for _, c := range r.Conditions {
			if c.Then == scenarios.ThenGap {
				rows = append(rows, Line{r.ID, fmt.Sprintf("%s; %s; %s, %s; %s", r.Reason, c.Class, versions(c.Since, c.Until), cmp.Or(c.Config, "any configuration"), c.Source)})
			}
		}
	}
	return rows, nil
}

// versions describes a range of versions.
func versions(since, until string) string {
	switch {
	case since != "" && until != "":
		return "since " + since + ", until " + until
	case since != "":
		return "since " + since
	case until != "":
		return "until " + until
	}
	return "all versions"
}

// rulesList lists the verdict table: the first rule that matches a cell decides.
func rulesList() ([]Line, error) {
	var rows []Line
	for _, r := range matrix.Rules() {
		rows = append(rows, Line{r.Name, fmt.Sprintf("%s: %s", r.Verdict, r.Text)})
	}
	return rows, nil
}

func findingsList() (list []Line, err error) {
	all, err := findings.Library()
	for _, f := range all {
		list = append(list, Line{f.ID, fmt.Sprintf("%s; %s; %s", f.Kind, f.Expect, f.Claim)})
	}
	return list, err
}
