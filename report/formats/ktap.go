package formats

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// KTAP writes a matrix in the kernel's test format, version 1
// (Documentation/dev-tools/ktap.rst, v6.12), nested: kernel with architecture,
// setting, probe. The words of a result line are limited by what
// tools/testing/kunit/kunit_parser.py reads: TEST_RESULT has no # in a name, and
// only SKIP is a directive. A probe that is not planned in a setting has no line.
func KTAP(b *strings.Builder, m *matrix.Matrix) error {
	k := &ktap{b: b}
	k.line(0, "KTAP version 1")
	all := append(notes(m), guestNotes(m)...)
	for _, n := range all {
		k.diagnostic(0, n)
	}
	k.line(0, "1..%d", len(m.Tables)+1)
	// The notes are a test of their own: without it a run in which all is
	// skipped, or whose kernel reported a bug, would end well.
	k.result(0, m.Sound(), 1, "measured", "")
	for i, t := range m.Tables {
		name := t.Kernel + " " + t.Arch
		k.header(1, name, len(t.Columns))
		for _, line := range words.Booted(t) {
			k.diagnostic(1, line)
		}
		good := true
		for j, c := range t.Columns {
			one := k.guest(t, c, j)
			good = good && one
		}
		k.result(0, good, i+2, name, "")
	}
	return nil
}

type ktap struct{ b *strings.Builder }

// line writes a line at a level of nesting: two spaces a level.
func (k *ktap) line(level int, format string, args ...any) {
	k.b.WriteString(strings.Repeat("  ", level) + ends.Replace(fmt.Sprintf(format, args...)) + "\n")
}

// ends are the texts at which kunit_parser.py stops reading, wherever in a line
// they are (KTAP_END, v6.12): a guest's console may well have them.
var ends = strings.NewReplacer(
	"List of all partitions:", "List of all partitions;",
	"Kernel panic - not syncing: VFS:", "Kernel panic - not syncing; VFS:",
	"reboot: System halted", "reboot; System halted",
)

// diagnostic writes a text that no reader may take for a result or a header.
func (k *ktap) diagnostic(level int, text string) {
	text = words.Clean(text)
	if strings.HasPrefix(text, "Subtest:") {
		text = "- " + text
	}
	k.line(level, "# %s", text)
}

func (k *ktap) header(level int, name string, plan int) {
	k.line(level, "KTAP version 1")
	k.line(level, "# Subtest: %s", ktapName(name))
	k.line(level, "1..%d", plan)
}

func (k *ktap) result(level int, ok bool, n int, name, directive string) {
	word := "ok"
	if !ok {
		word = "not ok"
	}
	if directive != "" {
		directive = " # " + directive
	}
	k.line(level, "%s %d %s%s", word, n, ktapName(name), directive)
}

// ktapName is a name without what would end it.
func ktapName(name string) string {
	name = strings.Join(strings.Fields(strings.ReplaceAll(words.Clean(name), "#", "_")), " ")
	if name == "" {
		return "unnamed"
	}
	return strings.TrimPrefix(name, "- ")
}

// guest writes one setting with its probes, and reports whether all are as
// expected.
func (k *ktap) guest(t matrix.Table, c matrix.Column, j int) bool {
	var rows []matrix.TableRow
	for _, r := range t.Rows {
		if r.Cells[j].Verdict != matrix.NotPlanned {
			rows = append(rows, r)
		}
	}
	name, good := c.Setting.String(), words.Sound(c)
	if len(rows) == 0 {
		k.result(1, good, j+1, name, "SKIP no probe is planned")
		return good
	}
	k.header(2, name, len(rows))
	k.diagnostic(2, words.GuestNote(c))
	for _, s := range c.Splats {
		k.diagnostic(2, "the kernel reported a bug of its own: "+s)
	}
	if c.End.Lost() {
		for _, line := range c.End.Console {
			k.diagnostic(2, "| "+line)
		}
	}
	skipped := true
	for n, r := range rows {
		cell := r.Cells[j]
		s := statusOf(c, cell)
		directive := ""
		if s == skip || s == known {
			directive = "SKIP " + strings.ReplaceAll(message(cell), "#", "_")
		}
		ok := s == pass || s == skip || s == known
		if !ok {
			k.diagnostic(2, r.Probe+": "+message(cell))
		}
		skipped = skipped && s == skip
		good = good && ok
		k.result(2, ok, n+1, r.Probe, directive)
	}
	if skipped && good {
		k.result(1, true, j+1, name, "SKIP every probe is unavailable")
		return true
	}
	k.result(1, good, j+1, name, "")
	return good
}
