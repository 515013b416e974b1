package patchset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A found is a message with a change in it.
type found struct {
	mail
	patch Patch
}

// arrange picks the patches of a series out of messages and brings them into
// their order. Replies, cover letters and copies of the same message are left
// out. It is an error if the series is ambiguous or incomplete: if a patch is
// there in several versions, or is missing. With partial, patches may be
// missing, because the user chose the files.
func arrange(all []found, partial bool) ([]Patch, error) {
	list := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return f.reply || f.number == 0 })
	if slices.ContainsFunc(list, func(f found) bool { return f.tagged }) {
		list = slices.DeleteFunc(list, func(f found) bool { return f.answers })
	}
	if len(list) == 0 && len(all) > 0 {
		return nil, fmt.Errorf("its only changes are in replies or in a cover letter")
	}
	list = withoutCopies(list)
	if err := checkVersions(list); err != nil {
		return nil, err
	}
	if !inOrder(list, partial) {
		if err := sortByNumber(list, partial); err != nil {
			return nil, err
		}
	}
	var patches []Patch
	for _, f := range list {
		patches = append(patches, f.patch)
	}
	return patches, nil
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

// checkVersions refuses two versions of the same patch.
func checkVersions(list []found) error {
	version := map[string]int{}
	for _, f := range list {
		if !f.tagged {
			continue
		}
		keys := []string{"title " + f.title}
		if f.number > 0 {
			keys = append(keys, fmt.Sprint("number ", f.number))
		}
		for _, key := range keys {
			if v, ok := version[key]; ok && v != f.version {
				return fmt.Errorf("it has versions v%d and v%d of a series; give one of them", min(v, f.version), max(v, f.version))
			}
			version[key] = f.version
		}
	}
	return nil
}

// inOrder reports whether numbered patches stand in the order of their
// numbers: one complete series, or one after the other. With partial, numbers
// may be missing.
func inOrder(list []found, partial bool) bool {
	if partial || len(list) == 1 {
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
