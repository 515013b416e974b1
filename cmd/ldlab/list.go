package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A listed is one line of a list.
type listed struct {
	Name string
	Text string
}

// lists are the sections of "ldlab list", in order.
var lists = []struct {
	name string
	rows func() ([]listed, error)
}{
	{"kernels", listKernels},
	{"bases", listBases},
	{"arches", listArches},
	{"settings", listSettings},
	{"scenarios", listScenarios},
	{"probes", listProbes},
	{"gaps", listGaps},
	{"rules", listRules},
	{"findings", listFindings},
}

func newList() *cobra.Command {
	var asJSON bool
	var names []string
	for _, l := range lists {
		names = append(names, l.name)
	}
	c := &cobra.Command{
		Use:       "list [" + strings.Join(names, "|") + "]",
		Short:     "List kernels, their bases, architectures, settings, scenarios, probes, known gaps, the rules of verdicts, and findings",
		ValidArgs: names,
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				if !slices.Contains(names, a) {
					return plan.UnknownWord("list", a, names)
				}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			all := map[string][]listed{}
			for _, l := range lists {
				if len(args) > 0 && !slices.Contains(args, l.name) {
					continue
				}
				rows, err := l.rows()
				if err != nil {
					return err
				}
				if all[l.name] = rows; !asJSON {
					printList(c.OutOrStdout(), l.name, rows)
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), all)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printList(w io.Writer, name string, rows []listed) {
	fmt.Fprintf(w, "%s:\n", name)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(tw, "  %s\t%s\n", r.Name, r.Text)
	}
	tw.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func listKernels() ([]listed, error) {
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	var rows []listed
	for _, k := range t.Kernels() {
		rows = append(rows, listed{k.Name, fmt.Sprintf("%s (base %s, series %s, %s)", k.Title, k.Base, cmp.Or(strings.Join(k.Series, "+"), "none"), k.Interface)})
	}
	return append(rows, listed{kernels.ReadyPrefix + "SERIES", "Debian's kernel, as its packages ship it, such as " + strings.Join(kernels.ReadyExamples(), ", ")}), nil
}

func listBases() ([]listed, error) {
	t, err := kernels.Load()
	if err != nil {
		return nil, err
	}
	var rows []listed
	for _, name := range t.Bases() {
		b, _ := t.Base(name)
		rows = append(rows, listed{name, fmt.Sprintf("%s (%s)", b.Title, b.Source)})
	}
	return rows, nil
}

func listArches() ([]listed, error) {
	var rows []listed
	for _, a := range arch.All() {
		rows = append(rows, listed{a.Name, fmt.Sprintf("%s -machine %s", a.QEMU, a.Machine)})
	}
	return rows, nil
}

// listSettings lists the default settings of a bitmap kernel, and then the
// words of which settings are made.
func listSettings() ([]listed, error) {
	rows := []listed{{"none", "nothing locked: the control, which always runs"}}
	var probes []string
	for _, r := range scenarios.Rows() {
		probes = append(probes, r.ID)
	}
	for _, s := range plan.DefaultSettings(lockdown.Bitmap, arch.All()[0].Name, probes) {
		rows = append(rows, listed{s.String(), "default; shows " + s.Level.String()})
	}
	return append(rows, listed{"WORD[,WORD...][@boot|@runtime|@coco|@kernel]",
		"WORD: none integrity confidentiality " + strings.Join(lockdown.Tokens(), " ")}), nil
}

func listScenarios() ([]listed, error) {
	var rows []listed
	for _, s := range scenarios.All() {
		rows = append(rows, listed{s.Name, s.Title})
	}
	return rows, nil
}

func listProbes() ([]listed, error) {
	var rows []listed
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
		rows = append(rows, listed{r.ID, text})
	}
	return rows, nil
}

// listGaps lists what lockdown does not check: the known gaps, and the probes that
// are gaps on some kernels.
func listGaps() ([]listed, error) {
	var rows []listed
	for _, r := range scenarios.Rows() {
		if r.Expect == scenarios.Gap {
			text := fmt.Sprintf("%s; %s; %s; %s", r.Reason, r.Class, versions(r.Since, r.Until), r.Source)
			rows = append(rows, listed{r.ID, text + "; a check in " + cmp.Or(r.ClosedBy, r.Site) + " would close it"})
		}
		for _, c := range r.Conditions {
			if c.Then == scenarios.ThenGap {
				rows = append(rows, listed{r.ID, fmt.Sprintf("%s; %s; %s, %s; %s", r.Reason, c.Class, versions(c.Since, c.Until), cmp.Or(c.Config, "any configuration"), c.Source)})
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

// listRules lists the verdict table: the first rule that matches a cell decides.
func listRules() ([]listed, error) {
	var rows []listed
	for _, r := range matrix.Rules() {
		rows = append(rows, listed{r.Name, fmt.Sprintf("%s: %s", r.Verdict, r.Text)})
	}
	return rows, nil
}

func listFindings() (list []listed, err error) {
	all, err := findings.Library()
	for _, f := range all {
		list = append(list, listed{f.ID, fmt.Sprintf("%s; %s; %s", f.Kind, f.Expect, f.Claim)})
	}
	return list, err
}
