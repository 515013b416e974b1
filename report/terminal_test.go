package report

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/terminal"
	"github.com/ldlab/ldlab/report/words"
)

// sgr is an escape sequence that sets colours. The terminal's view has no other.
var sgr = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func onTerminal(t testing.TB, m *matrix.Matrix, s terminal.Screen) string {
	t.Helper()
	var b bytes.Buffer
	if err := terminal.Write(&b, m, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestTerminalGolden has the escape character as ␛.
func TestTerminalGolden(t *testing.T) {
	for name, s := range map[string]terminal.Screen{"80-color.txt": {Width: 80, Color: true}, "40-plain.txt": {Width: 40}} {
		got := strings.ReplaceAll(onTerminal(t, measurement(t).Matrix, s), "\x1b", "␛")
		golden := filepath.Join("testdata", "terminal", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) || len(want) > maxGolden {
			t.Errorf("%s differs (go test ./report -update rewrites it):\n%s", golden, got)
		}
	}
}

// wideMatrix has a table of 40 settings.
func wideMatrix(t testing.TB) *matrix.Matrix {
	m := measurement(t).Matrix
	table := &m.Tables[0]
	for range 9 {
		table.Columns = append(table.Columns, table.Columns[:4]...)
		for i := range table.Rows {
			table.Rows[i].Cells = append(table.Rows[i].Cells, table.Rows[i].Cells[:4]...)
		}
	}
	table.Rows = append(table.Rows, table.Rows[0])
	table.Rows[6].Probe = strings.Repeat("a-long-name/", 12)
	table.Rows[6].Cells = slices.Repeat([]matrix.Cell{{Judgment: matrix.Judgment{Verdict: matrix.NotPlanned}}}, 40)
	table.Rows[6].Cells[38].Verdict = matrix.Leak
	return m
}

// TestTerminalFits: no line is wider than the terminal, colours change nothing else, and
// nothing is left out without a sign.
func TestTerminalFits(t *testing.T) {
	for name, m := range map[string]*matrix.Matrix{"hand-made": measurement(t).Matrix, "wide": wideMatrix(t), "hostile": poisoned(t, hostile).Matrix, "long": poisoned(t, strings.Repeat("long'\"\\ 日本 ", 50)).Matrix} {
		for _, width := range []int{1, terminal.MinWidth, 40, 57, 80, 100, 133, 300} {
			plainly := onTerminal(t, m, terminal.Screen{Width: width})
			for _, line := range strings.Split(plainly, "\n") {
				if n := uniseg.StringWidth(line); n > max(width, terminal.MinWidth) {
					t.Errorf("%s, %d columns: %d in %q", name, width, n, line)
				}
			}
			if r, ok := plain(plainly); !ok {
				t.Errorf("%s, %d columns: %q goes through", name, width, r)
			}
			if colored := onTerminal(t, m, terminal.Screen{Width: width, Color: true}); sgr.ReplaceAllString(colored, "") != plainly || colored == plainly {
				t.Errorf("%s, %d columns: colours change more than the colours, or there are none", name, width)
			}
		}
	}
	got := onTerminal(t, wideMatrix(t), terminal.Screen{Width: 60})
	if n := strings.Count(got, "\n  devmem/open "); n < 2 {
		t.Errorf("40 settings are in %d blocks", n)
	}
	for _, want := range []string{"39 dev_mem@boot", "40 kexec@boot", "…", "and 1 probe with . only", "a-long-name/"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// TestGuestsCannotColor: hostile text in every string makes no escape sequence, as the
// text without colours shows, and no line.
func TestGuestsCannotColor(t *testing.T) {
	hostileLines := strings.Count(onTerminal(t, poisoned(t, "x\x1b[31mx\n\r\nx").Matrix, terminal.Screen{Width: 300}), "\n")
	if want := strings.Count(onTerminal(t, poisoned(t, "xx[31mxxxxx").Matrix, terminal.Screen{Width: 300}), "\n"); hostileLines != want {
		t.Errorf("%d lines, want %d: a guest adds lines", hostileLines, want)
	}
	colored := onTerminal(t, poisoned(t, "\x1b[32m\x1b]0;t\a\x9b2J").Matrix, terminal.Screen{Width: 80, Color: true})
	if rest := sgr.ReplaceAllString(colored, ""); strings.ContainsAny(rest, "\x1b\a\u009b") {
		t.Error("an escape sequence of a guest goes through")
	}
	own := onTerminal(t, poisoned(t, "_[32m_]0;t__2J").Matrix, terminal.Screen{Width: 80, Color: true})
	if a, b := len(sgr.FindAllString(colored, -1)), len(sgr.FindAllString(own, -1)); a != b {
		t.Errorf("%d colours, want %d: a guest adds some", a, b)
	}
}

// TestLookFirst: the gravest is first, whatever the order of the matrix is.
func TestLookFirst(t *testing.T) {
	var kinds []string
	list := words.LookFirst(measurement(t).Matrix, []string{"--series", "a b.patch"})
	for _, f := range list {
		kinds = append(kinds, f.Kind)
	}
	want := "LEAK|not locked|OVERBLOCKED|flaky|DEVIATES|lost|unattributed|unproven|not run|not tested|gap closed|known issue|ran again"
	if got := strings.Join(slices.Compact(kinds), "|"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, f := range list {
		if f.Kind != "known issue" && (f.Repeat == "") == (f.Explain == "" || f.Kind == string(matrix.GapClosed)) {
			t.Errorf("%s: repeat %q, explain %q", f.Kind, f.Repeat, f.Explain)
		}
	}
	if got, want := list[0].Repeat, "ldlab run --kernel bitmap --arch x86_64 --series 'a b.patch' --setting integrity@runtime --probe kexec/load"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestLookFirstMerges: a leak in many settings is one item, a guess between leak and gap
// is a leak, and a ready image has the command of its boot.
func TestLookFirstMerges(t *testing.T) {
	m := wideMatrix(t)
	m.Tables[0].Kernel = "image"
	leaks := 0
	for _, f := range words.LookFirst(m, nil) {
		if f.Verdict != matrix.Leak {
			continue
		}
		if leaks++; f.Repeat != "" || f.Boot == "" || strings.Contains(f.What, "kexec/load") && !strings.Contains(f.What, "and 7 more") {
			t.Errorf("%+v", f)
		}
	}
	if leaks != 2 {
		t.Errorf("%d leaks, want 2", leaks)
	}
	m = measurement(t).Matrix
	m.Tables[0].Rows[2].Cells[0].Rule = words.LeakOrGap // unproven
	if list := words.LookFirst(m, nil); list[0].Verdict != matrix.Unproven && list[1].Verdict != matrix.Unproven {
		t.Errorf("%+v", list[:2])
	}
}

// TestNothingToLookAt: one line if all is well.
func TestNothingToLookAt(t *testing.T) {
	m := measurement(t).Matrix
	table := &m.Tables[0]
	table.Columns, table.Rows = table.Columns[:2], table.Rows[:1]
	table.Rows[0].Cells = table.Rows[0].Cells[:2]
	table.Columns[1].Tries, m.Issues = 1, nil
	table.Columns[1].Setting = lockdown.Setting{Reasons: []lockdown.Reason{"dev_mem"}, Via: lockdown.Runtime}
	got := onTerminal(t, m, terminal.Screen{Width: 200})
	if !strings.HasSuffix(got, "\n\nnothing to look at: every verdict is as expected, every selected reason was tested, and every guest ended well\n") {
		t.Errorf("%s\n%+v", got, words.LookFirst(m, nil))
	}
	if reflect.DeepEqual(m, measurement(t).Matrix) {
		t.Error("the matrix was not changed")
	}
}
