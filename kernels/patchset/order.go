package patchset

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// arrange picks the patches of a series out of messages and brings them into
// their order. Replies, cover letters and copies of the same message are left
// out; of several versions the highest one stays, or the Reader's. It is an error if the series is
// incomplete. With partial, patches may be missing, because the user chose the files.
// notes have a sentence for each mail that is left out, each missing patch and each
// strange line.
func (rd Reader) arrange(all []found, partial bool) (patches []Patch, notes []string, err error) {
	list := all
	if !rd.Commits {
		if list, notes, err = rd.choose(all, partial); err != nil {
			return nil, nil, err
		}
	}
	for _, f := range list {
		if f.err != nil {
			return nil, nil, f.err
		}
	}
	if !rd.Commits {
		var more []string
		if list, more, err = rd.order(list, partial, notes); err != nil {
			return nil, nil, err
		}
		notes = append(notes, more...)
	}
	for _, f := range list {
		patches = append(patches, f.patch)
		notes = append(notes, f.notes...)
		notes = append(notes, f.strange()...)
	}
	return patches, notes, nil
}

// order brings patches into their order: those of a series, and then what goes on top of
// it. left has the notes of what was left out.
func (rd Reader) order(list []found, partial bool, left []string) (sorted []found, notes []string, err error) {
	list, top := onTop(list)
	if !inOrder(list, partial, len(left) == 0) {
		switch err := sortByNumber(list, partial); {
		case err != nil && isMisnumbered(list):
			notes = append(notes, "the numbers of the patches are no single series: they are applied in the order of the file")
			return append(list, top...), notes, nil
		case err != nil && len(left) > 0:
			return nil, nil, fmt.Errorf("%s, and %w", strings.Join(left, ", "), err)
		case err != nil:
			return nil, nil, err
		}
	}
	if !rd.Part {
		notes = append(notes, missing(list)...)
	}
	return append(list, top...), notes, nil
}

// onTop takes the patches out that go on top of the series: those with a number above that
// of the last patch, and those that are called a fixup and have the number of another one.
func onTop(list []found) (series, top []found) {
	have := map[int]bool{}
	for _, f := range list {
		have[f.number] = have[f.number] || !f.fixup
	}
	for _, f := range list {
		if f.number > f.total || f.fixup && f.number > 0 && have[f.number] {
			top = append(top, f)
		} else {
			series = append(series, f)
		}
	}
	if len(series) == 0 {
		return top, nil
	}
	slices.SortStableFunc(top, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	return series, top
}

// missing names the patches that the numbers of the others promise.
func missing(list []found) (notes []string) {
	have := map[string]map[int]bool{}
	for _, f := range list {
		if f.number < 0 {
			continue
		}
		if have[f.series()] == nil {
			have[f.series()] = map[int]bool{}
		}
		have[f.series()][f.number] = true
	}
	for _, f := range list {
		if text := absent(have[f.series()], f.total); text != "" {
			notes = append(notes, text)
		}
		delete(have, f.series())
	}
	return notes
}

// absent is the sentence about the numbers that are not there; empty: none is missing.
func absent(have map[int]bool, total int) string {
	const most = 20
	var numbers []string
	if have == nil {
		return ""
	}
	for n := 1; n <= total; n++ {
		if !have[n] {
			numbers = append(numbers, fmt.Sprint(n))
		}
	}
	switch {
	case len(numbers) == 0:
		return ""
	case len(numbers) > most:
		return fmt.Sprintf("%d of %d patches are missing", len(numbers), total)
	}
	return fmt.Sprintf("patch %s of %d is missing", strings.Join(numbers, ", "), total)
}

// isMisnumbered reports whether patches of several numberings follow each other, each
// in its order, so that the order of the file is that of the patches: a series that was
// sent with [PATCH 01/34] to [PATCH 22/34] and then [PATCH 01/11] to [PATCH 11/11].
func isMisnumbered(list []found) bool {
	totals := map[int]bool{}
	number, total := 0, 0
	for _, f := range list {
		switch {
		case f.number < 0, f.total == total && f.number != number+1, f.total != total && (f.number != 1 || totals[f.total]):
			return false
		}
		number, total = f.number, f.total
		totals[total] = true
	}
	return len(totals) > 1
}

// inOrder reports whether numbered patches stand in the order of their
// numbers: one complete series, or one after the other. With partial, numbers
// may be missing; with alone, one patch may be the only one of its series.
func inOrder(list []found, partial, alone bool) bool {
	if partial || alone && len(list) == 1 {
		return slices.IsSortedFunc(list, func(a, b found) int {
			if a.number < 0 || b.number < 0 || a.total != b.total {
				return 0
			}
			return cmp.Compare(a.number, b.number)
		})
	}
	number, total := 0, 0 // of the last numbered patch
	for _, f := range list {
		if f.number < 0 {
			continue
		}
		switch {
		case number < total && f.number == number+1 && f.total == total:
		case number == total && f.number == 1:
		default:
			return false
		}
		number, total = f.number, f.total
	}
	return number == total
}

// sortByNumber sorts the patches of one series. Unless partial, each must be
// there.
func sortByNumber(list []found, partial bool) error {
	have := map[int]bool{}
	total := list[0].total
	for _, f := range list {
		switch {
		case f.number < 0:
			return fmt.Errorf("%s has no number among patches that are out of order", f.patch.Name)
		case f.total != total || have[f.number]:
			return fmt.Errorf("it has patches of several series, out of order: %d/%d and others of %d", f.number, f.total, total)
		}
		have[f.number] = true
	}
	if text := absent(have, total); text != "" && !partial {
		return errors.New(text)
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	return nil
}
