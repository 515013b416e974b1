package patchset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Versions is a set of kernel versions: every bound must hold. The zero value
// holds for all.
type Versions struct {
	text   string
	bounds []bound
}

type bound struct {
	op      string
	version []int
}

// ParseVersions takes bounds joined by commas: ">= 6.12, < 6.13". The
// operators are <, <=, >, >= and =. Empty text is every version.
func ParseVersions(text string) (Versions, error) {
	v := Versions{text: text}
	if strings.TrimSpace(text) == "" {
		return v, nil
	}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		op := part[:len(part)-len(strings.TrimLeft(part, "<>="))]
		switch op {
		case "<", "<=", ">", ">=", "=":
		default:
			return Versions{}, fmt.Errorf("parse versions %q: %q has no operator", text, part)
		}
		n, err := parseVersion(strings.TrimSpace(part[len(op):]))
		if err != nil {
			return Versions{}, fmt.Errorf("parse versions %q: %w", text, err)
		}
		v.bounds = append(v.bounds, bound{op, n})
	}
	return v, nil
}

func (v Versions) String() string { return v.text }

// Has reports whether a kernel version (6.12.117, 6.13-rc1) is in the set. A
// release candidate counts as its release. What is not a version is in no set.
func (v Versions) Has(version string) bool {
	version, _, _ = strings.Cut(version, "-")
	n, err := parseVersion(version)
	if err != nil {
		return len(v.bounds) == 0
	}
	return v.has(n)
}

func (v Versions) has(version []int) bool {
	for _, b := range v.bounds {
		c := compareVersions(version, b.version)
		ok := map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0, "=": c == 0}[b.op]
		if !ok {
			return false
		}
	}
	return true
}

// Meets reports whether a version can be in both sets.
func (v Versions) Meets(o Versions) bool {
	return slices.ContainsFunc(samples([]Versions{v, o}), func(n []int) bool { return v.has(n) && o.has(n) })
}

// samples are versions with which the sets can be told apart: 0, every bound, and
// one just above each. Whether a version is in a set changes only at a bound.
func samples(sets []Versions) [][]int {
	list := [][]int{{0}}
	for _, v := range sets {
		for _, b := range v.bounds {
			list = append(list, b.version, append(slices.Clone(b.version), 0, 0, 0, 1))
		}
	}
	return list
}

func parseVersion(s string) ([]int, error) {
	var n []int
	for _, word := range strings.Split(s, ".") {
		i, err := strconv.Atoi(word)
		if err != nil || i < 0 {
			return nil, fmt.Errorf("%q is not a version", s)
		}
		n = append(n, i)
	}
	return n, nil
}

// compareVersions takes missing parts for zero: 6.12 is 6.12.0.
func compareVersions(a, b []int) int {
	at := func(v []int, i int) int {
		if i < len(v) {
			return v[i]
		}
		return 0
	}
	for i := range max(len(a), len(b)) {
		if d := at(a, i) - at(b, i); d != 0 {
			return d
		}
	}
	return 0
}
