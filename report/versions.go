package report

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/words"
)

// A versionPart is the remarks of which the same became.
type versionPart struct {
	title string
	r     *changes.Review // whose remarks they are
	list  []changes.Remark
}

func versionParts(v *changes.Versions) []versionPart {
	return []versionPart{{"repaired", v.Old, v.Repaired}, {"new", v.New, v.Came}, {"as before", v.New, v.Remaining}}
}

// versions writes what became of a review's remarks in another version of the series.
func versions(b *strings.Builder, m Measurement) error {
	v := m.Versions
	if v == nil {
		return errors.New("no versions")
	}
	fmt.Fprintf(b, "from %s, on %s, to %s, on %s\n", words.Clean(v.Old.Series), baseOf(v.Old), words.Clean(v.New.Series), baseOf(v.New))
	for _, part := range versionParts(v) {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s\n", part.title)
		for _, m := range part.list {
			remarkText(b, part.r, m)
		}
	}
	if v.NoRangeDiff != "" {
		fmt.Fprintf(b, "\nno git range-diff: %s\n", words.Clean(v.NoRangeDiff))
	}
	if v.RangeDiff != "" {
		fmt.Fprintf(b, "\ngit range-diff\n")
		for line := range strings.Lines(v.RangeDiff) {
			fmt.Fprintf(b, "  %s\n", strings.TrimRight(words.Clean(strings.TrimRight(line, "\n")), " "))
		}
	}
	fmt.Fprintf(b, "\n%s\n", repaired(v))
	return nil
}

// repaired counts what got worse by what became of it.
func repaired(v *changes.Versions) string {
	all := changes.Graves(v.Repaired) + changes.Graves(v.Remaining)
	return fmt.Sprintf("of %s for the worse, %d repaired; %d new", words.Count(all, "change"), changes.Graves(v.Repaired), changes.Graves(v.Came))
}

// versionsMarkdown writes the same for a page.
func versionsMarkdown(b *strings.Builder, m Measurement) error {
	v := m.Versions
	if v == nil {
		return errors.New("no versions")
	}
	fmt.Fprintf(b, "# From %s to %s\n\n", words.Code(v.Old.Series), words.Code(v.New.Series))
	fmt.Fprintf(b, "The old one is on %s, the new one on %s: %s.\n", words.Markdown(baseOf(v.Old)), words.Markdown(baseOf(v.New)), repaired(v))
	fmt.Fprintf(b, "\n| state | what | patch | shown by |\n|---|---|---|---|\n")
	for _, part := range versionParts(v) {
		for _, m := range part.list {
			fmt.Fprintf(b, "| %s %s\n", part.title, remarkRow(part.r, m))
		}
	}
	if v.NoRangeDiff != "" {
		fmt.Fprintf(b, "\nThere is no git range-diff: %s.\n", words.Markdown(v.NoRangeDiff))
	}
	if v.RangeDiff != "" {
		fmt.Fprintf(b, "\ngit range-diff:\n\n")
		for line := range strings.Lines(v.RangeDiff) { // each as code, because no fence holds any text
			fmt.Fprintf(b, "* %s\n", words.Code(strings.TrimRight(line, " \n")))
		}
	}
	return nil
}
