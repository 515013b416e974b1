package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestMarkdownWidth wants prose that was written by hand wrapped at 100 columns.
// Tables and code stay as they are.
func TestMarkdownWidth(t *testing.T) {
	for _, name := range []string{"README.md", "HACKING.md"} {
		code := false
		for i, line := range read(t, name) {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			table := strings.HasPrefix(line, "|") || strings.HasPrefix(line, "    ")
			if n := utf8.RuneCountInString(line); n > 100 && !code && !table {
				t.Errorf("%s:%d: %d columns", name, i+1, n)
			}
			if code && utf8.RuneCountInString(line) > 100 && name == "README.md" {
				t.Errorf("%s:%d: the code is %d columns wide", name, i+1, utf8.RuneCountInString(line))
			}
		}
	}
}

// TestReadmeMatrix holds the README's matrix against the one that was measured:
// for each reason and architecture, the cells of none, integrity@boot and
// confidentiality@boot.
func TestReadmeMatrix(t *testing.T) {
	measured := map[string][][]string{} // reason to the cells of each architecture
	in := false
	for _, line := range read(t, "docs/matrix.txt") {
		f := strings.Fields(line)
		switch {
		case strings.Contains(line, "reason, all its probes"):
			if len(f) < 7 || strings.Join(f[4:7], " ") != "1 2 3" {
				t.Fatalf("docs/matrix.txt: %q does not begin with the control and the two levels", line)
			}
			in = true
		case len(f) == 0:
			in = false
		case in:
			measured[f[0]] = append(measured[f[0]], f[1:4])
		}
	}
	row := regexp.MustCompile(`^[a-z_]+( +[A-Za-z-]+){6}$`)
	seen := 0
	for _, line := range read(t, "README.md") {
		f := strings.Fields(line)
		if !row.MatchString(line) || len(measured[f[0]]) == 0 {
			continue
		}
		seen++
		var cells []string
		for _, c := range measured[f[0]] {
			cells = append(cells, c...)
		}
		if got, want := strings.Join(f[1:], " "), strings.Join(cells, " "); got != want {
			t.Errorf("README.md: %s: %s, measured: %s", f[0], got, want)
		}
	}
	if seen == 0 || seen != len(measured) {
		t.Errorf("README.md has %d of the %d reasons that were measured", seen, len(measured))
	}
}

func read(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), "\n")
}

// TestReadmeTally holds the numbers that the README claims against those of the
// last run: if docs/matrix.txt has the lines that count probes, denials and those
// bound to their site, the README has the same, and it has no others.
func TestReadmeTally(t *testing.T) {
	begin := regexp.MustCompile(`[0-9]+ gated probes with [0-9]+ variants`)
	measured := tally(strings.Join(read(t, "docs/matrix.txt"), " "), begin)
	claimed := tally(strings.Join(read(t, "README.md"), " "), begin)
	if claimed != measured {
		t.Errorf("README.md claims %q, measured: %q", claimed, measured)
	}
}

// tally is the text from the number of probes to the number of denials at their
// site, with single blanks; empty if there is none.
func tally(text string, begin *regexp.Regexp) string {
	at := begin.FindStringIndex(text)
	if at == nil {
		return ""
	}
	const end = "counted at the call site that the probe names"
	text, _, _ = strings.Cut(text[at[0]:], end)
	return strings.Join(strings.Fields(text), " ") + " " + end
}

func TestTally(t *testing.T) {
	begin := regexp.MustCompile(`[0-9]+ gated probes with [0-9]+ variants`)
	const line = "3 gated probes with 4 variants,\n1 of 9 verdicts is a denial,\n1 of them counted at the call site that the probe names"
	if got, want := tally("a\n"+line+" and more", begin), strings.ReplaceAll(line, "\n", " "); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := tally("no numbers", begin); got != "" {
		t.Errorf("%q", got)
	}
}

// TestReadmeClaims holds the README's table of claims against the one that was
// measured.
func TestReadmeClaims(t *testing.T) {
	var table []string
	for _, line := range read(t, "docs/claims.md") {
		if strings.HasPrefix(line, "|") {
			table = append(table, line)
		} else if len(table) > 0 {
			break
		}
	}
	if len(table) < 4 {
		t.Fatalf("docs/claims.md begins with a table of %d lines", len(table))
	}
	if !strings.Contains(strings.Join(read(t, "README.md"), "\n"), strings.Join(table, "\n")) {
		t.Errorf("README.md has not the table of docs/claims.md:\n%s", strings.Join(table, "\n"))
	}
}

// TestLinks: each file that a page links to is there, and pictures are small.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, page := range append(pages, "../../README.md", "../../HACKING.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			fi, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			if seen++; err != nil {
				t.Errorf("%s: %v", page, err)
			} else if strings.HasSuffix(m[1], ".png") && fi.Size() >= 300_000 {
				t.Errorf("%s has %d bytes", m[1], fi.Size())
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d links", seen)
	}
}
