package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/scenarios"
)

// docs are the pages that are written by hand.
func docs(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(pages, "../../README.md", "../../HACKING.md")
}

// command is a command of a page: what a user types, without a comment and what follows
// a pipe or a redirection.
var command = regexp.MustCompile(`^(?:\$ )?(?:bin/)?(ldlab|make) ([^|<>&;#]*)`)

// TestDocumentedCommands parses each command in a block of shell commands: the verb and
// its flags are there, and kernels, settings, scenarios, probes and targets of make, too.
func TestDocumentedCommands(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range docs(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		block := ""
		for i, line := range strings.Split(string(text), "\n") {
			if rest, fence := strings.CutPrefix(line, "```"); fence {
				block = map[bool]string{true: rest, false: ""}[block == ""]
				if block == "" && rest == "" {
					continue
				}
			}
			m := command.FindStringSubmatch(line)
			if block != "sh" || m == nil {
				continue
			}
			seen++
			args := strings.Fields(strings.ReplaceAll(m[2], "'", ""))
			if m[1] == "make" {
				if !strings.Contains(string(makefile), "\n"+args[0]+":") {
					t.Errorf("%s:%d: make has no target %s", page, i+1, args[0])
				}
				continue
			}
			if err := parses(args); err != nil {
				t.Errorf("%s:%d: %q: %v", page, i+1, line, err)
			}
		}
	}
	if seen < 60 {
		t.Errorf("%d commands in the docs", seen)
	}
	for _, wrong := range []string{"rnu", "run --no-such-flag", "run --setting integrity@nite", "run --probe msr/no-such", "run --kernel no-such", "list no-such", "run --scenario nothing"} {
		if parses(strings.Fields(wrong)) == nil {
			t.Errorf("ldlab %s parses", wrong)
		}
	}
}

// parses checks a command line of ldlab, and runs nothing.
func parses(args []string) error {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	root := newRoot()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if c == root && len(c.Flags().Args()) > 0 {
		return noArgs(c, c.Flags().Args())
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil && c.Name() != "diff" {
		return err
	}
	table, err := kernels.Load()
	if err != nil {
		return err
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			if e := checkValue(table, c.Name(), f.Name, v); e != nil && err == nil {
				err = e
			}
		}
	})
	return err
}

func checkValue(table *kernels.Tables, verb, flag, value string) error {
	unknown := flagError{os.ErrNotExist}
	switch {
	case flag == "setting":
		_, err := lockdown.ParseSetting(value)
		return err
	case flag == "kernel" && verb != "diff":
		if _, ok := table.Kernel(value); !ok {
			return unknown
		}
	case flag == "scenario":
		if !slices.ContainsFunc(scenarios.All(), func(s scenarios.Scenario) bool { return s.Name == value }) {
			return unknown
		}
	case flag == "probe":
		if _, ok := scenarios.Find(value); !ok {
			return unknown
		}
	}
	return nil
}

// TestEveryRuleIsExplained: docs/verdicts.md has the rules in their order, with their
// verdicts, and no others.
func TestEveryRuleIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../docs/verdicts.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	_, table, _ := strings.Cut(string(text), "## The rules")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, m := range regexp.MustCompile(`(?m)^\| ([a-z-]+) \| ([A-Za-z ]+) \| \S`).FindAllStringSubmatch(table, -1) {
		if m[1] != "rule" {
			got = append(got, m[1]+": "+m[2])
		}
	}
	for _, r := range matrix.Rules() {
		want = append(want, r.Name+": "+string(r.Verdict))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/verdicts.md has\n%s\nand the rules are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestHelpWidth: the text of a command has at most 100 columns, as prose has.
func TestHelpWidth(t *testing.T) {
	seen := 0
	for _, c := range newRoot().Commands() {
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			seen++
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
				t.Errorf("%s: %d columns: %s", c.Name(), n, line)
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d lines", seen)
	}
}

// TestFormatsAreViews: each value of --format stands for its view.
func TestFormatsAreViews(t *testing.T) {
	for _, list := range []viewNames{reviewFormats, versionFormats, formats} {
		for i, word := range list.words() {
			if _, ok := report.Find(list.find(word)); !ok || list.find(word) != list.views()[i] {
				t.Errorf("%s: view %q", word, list.find(word))
			}
		}
		if list.find("none") != "" {
			t.Error("a format that does not exist has a view")
		}
	}
}
