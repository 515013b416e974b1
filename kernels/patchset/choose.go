package patchset

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	netmail "net/mail"
	"slices"
	"strings"
)

// choose takes the messages that are patches of the series. notes name the others that
// could have been taken.
func (rd Reader) choose(all []found, partial bool) (list []found, notes []string, err error) {
	if !slices.ContainsFunc(all, found.changes) {
		return nil, nil, nothing(all)
	}
	list = slices.DeleteFunc(slices.Clone(all), func(f found) bool { return f.reply || f.number == 0 })
	tagged := slices.ContainsFunc(list, func(f found) bool { return f.tagged })
	list = slices.DeleteFunc(list, func(f found) bool {
		if tagged && f.answers {
			return true
		}
		// In a mailbox there may be other mail beside the patches. A file that the user
		// gives as a patch must be one.
		if f.err == nil || partial || f.number > 0 || f.tagged == tagged && !isEmpty(f.err) {
			return false
		}
		if !isEmpty(f.err) {
			notes = append(notes, fmt.Sprintf("%s is left out: %v", f.patch.Name, f.err))
		}
		return true
	})
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("its only changes are in replies or in a cover letter")
	}
	list = withoutCopies(list)
	if rd.Version > 0 {
		if list, err = only(list, rd.Version); err != nil {
			return nil, nil, err
		}
	}
	list, old, err := highest(list, threadsOf(all))
	if err != nil {
		return nil, nil, err
	}
	list, again := newest(list)
	notes = slices.Concat(notes, old, again)
	if !partial {
		var foreign []string
		list, foreign = withoutForeign(list, all)
		notes = append(notes, foreign...)
	}
	return list, notes, nil
}

// withoutCopies drops messages that came more than once: by several lists, or sent again.
// Copies without a Message-ID, or with another one, have the same title, number and diff.
func withoutCopies(list []found) []found {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(f found) bool {
		again := f.id != "" && seen[f.id]
		seen[f.id] = true
		if f.err == nil && f.tagged {
			diff := sha256.New()
			for _, file := range f.patch.files {
				fmt.Fprintln(diff, file)
			}
			key := fmt.Sprintf("%d.%d %d/%d %s %x", f.version, f.minor, f.number, f.total, f.title, diff.Sum(nil))
			again = again || seen[key]
			seen[key] = true
		}
		return again
	})
}

// threads tell which messages answer each other, directly or not.
type threads struct {
	parent map[string]string // of a Message-ID
	covers map[string]string // title of the cover letter of a series
}

func threadsOf(all []found) threads {
	t := threads{map[string]string{}, map[string]string{}}
	for _, f := range all {
		for _, ref := range f.refs {
			if a, b := t.root(ref), t.root(f.id); a != b && f.id != "" {
				t.parent[b] = a
			}
		}
		if f.number == 0 {
			t.covers[f.series()] = f.title
		}
	}
	return t
}

func (t threads) root(id string) string {
	for t.parent[id] != "" {
		if up := t.parent[t.parent[id]]; up != "" {
			t.parent[id] = up // so that the next way is shorter
		}
		id = t.parent[id]
	}
	return id
}

// keys are what a patch has in common with its other versions; none if it has no tag. A
// number alone is nothing, because each series has a first patch.
func (t threads) keys(f found) []string {
	if !f.tagged {
		return nil
	}
	keys := []string{"title " + f.title}
	if f.id != "" {
		keys = append(keys, fmt.Sprintf("thread %v %s %s", f.number > 0, f.sender(), t.root(f.id)))
	}
	if title := t.covers[f.series()]; title != "" {
		keys = append(keys, "cover "+f.sender()+" "+title)
	}
	return keys
}

// sender is the address in the From field.
func (f found) sender() string {
	if a, err := netmail.ParseAddress(f.from); err == nil {
		return strings.ToLower(a.Address)
	}
	return f.from
}

// series is the same for the patches of one version of one series.
func (f found) series() string {
	if f.number >= 0 {
		return fmt.Sprintf("v%d of %d", f.version, f.total)
	}
	return fmt.Sprintf("v%d %s", f.version, f.title)
}

// highest keeps the highest version of series that are there in several. notes name what
// is left out. Numbered series of several versions that have nothing in common are an
// error.
func highest(list []found, t threads) (kept []found, notes []string, err error) {
	top := map[string]int{} // the highest version of each key
	for _, f := range list {
		for _, key := range t.keys(f) {
			top[key] = max(top[key], f.version)
		}
	}
	old := map[string]bool{} // series of which a patch is there in a higher version
	for _, f := range list {
		for _, key := range t.keys(f) {
			old[f.series()] = old[f.series()] || f.version < top[key]
		}
	}
	taken, left := 0, map[int]int{} // the highest version, and how many mails of others
	numbered := -1                  // index in kept of a patch with a number
	for _, f := range list {
		if f.tagged && old[f.series()] {
			left[f.version]++
			continue
		}
		kept = append(kept, f)
		taken = max(taken, f.version)
		if f.number < 0 {
			continue
		}
		if numbered >= 0 && kept[numbered].version != f.version {
			return nil, nil, fmt.Errorf("it has two series, which share no title and no thread: %s and %s; choose one with --version, or write them to files of their own", kept[numbered].full(), f.full())
		}
		numbered = len(kept) - 1
	}
	if len(left) == 0 {
		return list, nil, nil
	}
	var others []string
	for _, v := range slices.Sorted(maps.Keys(left)) {
		others = append(others, fmt.Sprintf("v%d (%s)", v, mails(left[v])))
	}
	return kept, []string{fmt.Sprintf("v%d of the series is taken and %s left out", taken, strings.Join(others, ", "))}, nil
}

func mails(n int) string {
	if n == 1 {
		return "1 mail"
	}
	return fmt.Sprintf("%d mails", n)
}

// full names a patch with its number and title.
func (f found) full() string {
	return fmt.Sprintf("%s (v%d %d/%d %q)", f.patch.Name, f.version, f.number, f.total, f.title)
}

// newest keeps, of patches that were sent again with changes, the last one: v2.1 2/3 in
// the place of v2 2/3, and a RESEND in the place of what has its title.
func newest(list []found) (kept []found, notes []string) {
	place := func(f found) string {
		if f.number >= 0 {
			return fmt.Sprint(f.series(), " ", f.number)
		}
		return f.series()
	}
	rank := func(f found) int {
		if f.resent {
			return 2*f.minor + 1
		}
		return 2 * f.minor
	}
	last := map[string]found{}
	for _, f := range list {
		if before, ok := last[place(f)]; f.tagged && (!ok || rank(f) > rank(before)) {
			last[place(f)] = f
		}
	}
	for _, f := range list {
		if l := last[place(f)]; f.tagged && !f.fixup && rank(f) < rank(l) {
			notes = append(notes, fmt.Sprintf("%s takes the place of %s, which was sent before", l.patch.Name, f.patch.Name))
			continue
		}
		kept = append(kept, f)
	}
	return kept, notes
}

// withoutForeign leaves out what stands beside the series in a thread: patches without a
// number beside numbered ones, and patches in which somebody else answers those of the
// series.
func withoutForeign(list, all []found) (kept []found, notes []string) {
	numbered := slices.ContainsFunc(list, func(f found) bool { return f.number > 0 })
	taken := map[string]bool{}
	for _, f := range list {
		taken[f.series()] = true
	}
	of := map[string]found{} // what is taken, and its cover letters, by Message-ID
	for _, f := range all {
		if f.id != "" && !f.reply && taken[f.series()] {
			of[f.id] = f
		}
	}
	for _, f := range list {
		why := ""
		if numbered && f.number < 0 {
			why = "it has no number, and the series beside it has"
		}
		for _, ref := range f.refs {
			if other, ok := of[ref]; ok && f.tagged && other.series() != f.series() && other.sender() != f.sender() {
				why = "its sender answers the patch of another one"
			}
		}
		if why == "" {
			kept = append(kept, f)
			continue
		}
		notes = append(notes, fmt.Sprintf("%s (%s) is left out: %s; --on-top takes it from a file of its own", f.patch.Name, cmp.Or(f.subject, "no subject"), why))
	}
	if len(kept) == 0 {
		return list, nil
	}
	return kept, notes
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
