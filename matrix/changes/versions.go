package changes

import "slices"

// Versions is what became of a review's remarks in another version of the series.
type Versions struct {
	Old, New  *Review
	Repaired  []Remark // that only the old version has
	Remaining []Remark // that both have, as of the new one
	Came      []Remark // that only the new version has
	RangeDiff string   `json:",omitempty"` // of git range-diff

	NoRangeDiff string `json:",omitempty"` // why there is none
}

// CompareVersions compares two versions of a series by their remarks. A remark on fewer
// architectures is the same remark, and one in other settings is another.
func CompareVersions(before, now *Review) *Versions {
	v := &Versions{Old: before, New: now}
	old, new := before.Remarks(), now.Remarks()
	for _, m := range old {
		if !slices.ContainsFunc(new, m.same) {
			v.Repaired = append(v.Repaired, m)
		}
	}
	for _, m := range new {
		if slices.ContainsFunc(old, m.same) {
			v.Remaining = append(v.Remaining, m)
		} else {
			v.Came = append(v.Came, m)
		}
	}
	return v
}

// Grave reports whether the new version still has a grave remark.
func (v *Versions) Grave() bool { return v.New.Grave() }

// Graves counts the grave ones of some remarks.
func Graves(list []Remark) (n int) {
	for _, m := range list {
		if m.Grave {
			n++
		}
	}
	return n
}
