package patchset

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A found is a message with a change in it, or a cover letter.
type found struct {
	mail
	patch Patch
}

// changes reports whether the message has a change in it.
func (f found) changes() bool { return f.patch.files != nil }

// arrange picks the patches of a series out of messages and brings them into
// their order. Replies, cover letters and copies of the same message are left
// out; of several versions the highest one stays, or the Reader's. It is an error if the series is
// incomplete. With partial, patches may be missing, because the user chose the files.
// notes says what was left out of what could have been taken, and what is strange, a
// sentence each.
func (rd Reader) arrange(all []found, partial bool) (patches []Patch, notes []string, err error) {
	list := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return f.reply || f.number == 0 })
	if slices.ContainsFunc(list, func(f found) bool { return f.tagged }) {
		list = slices.DeleteFunc(list, func(f found) bool { return f.answers })
	}
	if len(list) == 0 && len(all) > 0 {
		return nil, nil, fmt.Errorf("its only changes are in replies or in a cover letter")
	}
	list = withoutCopies(list)
	if rd.Version > 0 {
		if list, err = only(list, rd.Version); err != nil {
			return nil, nil, err
		}
	}
	list, notes = highest(list)
	if !inOrder(list, partial, len(notes) == 0) {
		switch err := sortByNumber(list, partial); {
		case err != nil && isMisnumbered(list):
			notes = append(notes, "the numbers of the patches are no single series: they are applied in the order of the file")
		case err != nil && len(notes) > 0:
			return nil, nil, fmt.Errorf("%s, and %w", strings.Join(notes, ", "), err)
		case err != nil:
			return nil, nil, err
		}
	}
	for _, f := range list {
		patches = append(patches, f.patch)
		notes = append(notes, f.strange()...)
	}
	return patches, notes, nil
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

// withoutCopies drops messages that came more than once, by several lists.
func withoutCopies(list []found) []found {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(f found) bool {
		again := f.id != "" && seen[f.id]
		seen[f.id] = true
		return again
	})
}

// highest keeps the highest version of series that are there in several: a patch has
// the title or the number of one of another version. notes says what is left out.
func highest(list []found) (kept []found, notes []string) {
	top := map[string]int{} // the highest version of each title and number
	for _, f := range list {
		for _, key := range f.keys() {
			top[key] = max(top[key], f.version)
		}
	}
	old := map[string]bool{} // series of which a patch is there in a higher version
	for _, f := range list {
		for _, key := range f.keys() {
			old[f.series()] = old[f.series()] || f.version < top[key]
		}
	}
	taken, left := 0, map[int]int{} // the highest version, and how many mails of others
	for _, f := range list {
		if f.tagged && old[f.series()] {
			left[f.version]++
			continue
		}
		kept = append(kept, f)
		taken = max(taken, f.version)
	}
	if len(left) == 0 {
		return list, nil
	}
	var others []string
	for _, v := range slices.Sorted(maps.Keys(left)) {
		mails := "mails"
		if left[v] == 1 {
			mails = "mail"
		}
		others = append(others, fmt.Sprintf("v%d (%d %s)", v, left[v], mails))
	}
	return kept, []string{fmt.Sprintf("v%d of the series is taken and %s left out", taken, strings.Join(others, ", "))}
}

// only keeps the patches of one version, and those of mails without a tag.
func only(list []found, version int) (kept []found, err error) {
	there := map[int]bool{}
	for _, f := range list {
		if f.tagged {
			there[f.version] = true
		}
		if !f.tagged || f.version == version {
			kept = append(kept, f)
		}
	}
	if !there[version] {
		var names []string
		for _, v := range slices.Sorted(maps.Keys(there)) {
			names = append(names, fmt.Sprintf("v%d", v))
		}
		return nil, fmt.Errorf("it has no v%d; it has %s", version, cmp.Or(strings.Join(names, ", "), "no patch with a version"))
	}
	return kept, nil
}

// keys are what a patch has in common with its other versions; none if it has no tag.
func (f found) keys() []string {
	switch {
	case !f.tagged:
		return nil
	case f.number > 0:
		return []string{"title " + f.title, fmt.Sprint("number ", f.number)}
	}
	return []string{"title " + f.title}
}

// series is the same for the patches of one version of one series.
func (f found) series() string {
	if f.number > 0 {
		return fmt.Sprintf("v%d of %d", f.version, f.total)
	}
	return fmt.Sprintf("v%d %s", f.version, f.title)
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
	var missing []string
	for n := 1; n <= total; n++ {
		if !have[n] {
			missing = append(missing, fmt.Sprint(n))
		}
	}
	if len(missing) > 0 && !partial {
		return fmt.Errorf("patch %s of %d is missing", strings.Join(missing, ", "), total)
	}
	slices.SortStableFunc(list, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	return nil
}
