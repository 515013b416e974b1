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
