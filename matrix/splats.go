package matrix

import (
	"fmt"
	"regexp"
	"slices"
)

// splats collects what the guest's kernel reported of its own bugs, on all of its
// machines.
func (r *Result) splats() (lines []string) {
	for _, m := range r.Machines {
		for _, s := range m.States {
			lines = append(lines, s.Splats...)
		}
	}
	return lines
}

// numbers of a line differ from guest to guest.
var numbers = regexp.MustCompile(`\b(0x)?[0-9a-f]*[0-9][0-9a-f]*\b`)

// SameSplat reports whether two lines report the same bug, in two guests.
func SameSplat(a, b string) bool {
	return numbers.ReplaceAllString(a, "#") == numbers.ReplaceAllString(b, "#")
}

// Splats lists what kernels reported of their own bugs: warnings, BUGs, what
// lockdep found. Such a kernel is not as expected, whatever its verdicts are: the
// report may be of what is tested, and lockdep and WARN_ONCE() do not report twice.
// A report that several guests have is listed once.
func (m *Matrix) Splats() (list []string) {
	type report struct {
		line, first string
		guests      int
	}
	var found []report
	for _, t := range m.Tables {
		begin := len(found)
		for _, c := range t.Columns {
			for _, line := range c.Splats {
				i := slices.IndexFunc(found[begin:], func(r report) bool { return SameSplat(r.line, line) })
				if i < 0 {
					i = len(found) - begin
					found = append(found, report{line: line, first: fmt.Sprintf("%s/%s/%s", t.Kernel, t.Arch, c.Setting)})
				}
				found[begin+i].guests++
			}
		}
	}
	for _, r := range found {
		where := r.first
		if r.guests > 1 {
			where += fmt.Sprintf(" and %d more", r.guests-1)
		}
		list = append(list, where+": "+r.line)
	}
	return list
}
