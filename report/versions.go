package report

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/words"
)

// versions writes what became of a review's remarks in another version of the series.
func versions(b *strings.Builder, m Measurement) error {
	v := m.Versions
	if v == nil {
		return errors.New("no versions")
	}
	fmt.Fprintf(b, "from %s, on %s, to %s, on %s\n", words.Clean(v.Old.Series), baseOf(v.Old), words.Clean(v.New.Series), baseOf(v.New))
	for _, part := range []struct {
		title string
		r     *changes.Review
		list  []changes.Remark
	}{{"repaired", v.Old, v.Repaired}, {"new", v.New, v.Came}, {"as before", v.New, v.Remaining}} {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintf(b, "\n%s\n", part.title)
		for _, m := range part.list {
			remarkText(b, part.r, m)
		}
	}
	if v.RangeDiff != "" {
		fmt.Fprintf(b, "\ngit range-diff\n")
		for line := range strings.Lines(v.RangeDiff) {
			fmt.Fprintf(b, "  %s\n", strings.TrimRight(words.Clean(strings.TrimRight(line, "\n")), " "))
		}
	}
	all := changes.Graves(v.Repaired) + changes.Graves(v.Remaining)
	fmt.Fprintf(b, "\nof %s for the worse, %d repaired; %d new\n", words.Count(all, "change"), changes.Graves(v.Repaired), changes.Graves(v.Came))
	return nil
}
