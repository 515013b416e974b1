package scenarios

import "testing"

func TestSiteIn(t *testing.T) {
	w := Where{Site: "a.c:now", Moved: []Moved{{Until: "6.6", Site: "a.c:before"}, {Since: "6.18", Until: "7.1", Site: "b.c:moved"}, {Since: "7.1", Site: "c.c:again"}}}
	for version, want := range map[string]string{
		"6.1.140": "a.c:before", "6.5.99": "a.c:before", "6.6": "a.c:now", "6.6.1": "a.c:now", "6.12.117": "a.c:now", "6.17.9": "a.c:now",
		"6.18": "b.c:moved", "6.18.3": "b.c:moved", "7.0.0-rc1": "b.c:moved", "7.1.0": "c.c:again", "10.0": "c.c:again", "": "a.c:now", "unknown": "a.c:now",
	} {
		if got := w.SiteIn(version); got != want {
			t.Errorf("%q: %s, want %s", version, got, want)
		}
		if got := (Row{Probe: Probe{Where: w}}).In(version).Site; got != want {
			t.Errorf("row in %q: %s, want %s", version, got, want)
		}
	}
}

// TestMovedRanges wants ranges of versions that are well formed, not empty, and
// do not overlap, in every row.
func TestMovedRanges(t *testing.T) {
	for _, r := range Rows() {
		for _, why := range badRanges(r.Moved) {
			t.Errorf("%s: %s", r.ID, why)
		}
	}
	for _, bad := range [][]Moved{
		{{Site: "a.c:a"}},                                               // every version: that is Site's
		{{Since: "6.18"}},                                               // no site
		{{Since: "six", Site: "a.c:a"}},                                 // no version
		{{Since: "7.0", Until: "6.18", Site: "a.c:a"}},                  // empty
		{{Since: "6.18", Site: "a.c:a"}, {Since: "7.0", Site: "b.c:b"}}, // overlap
	} {
		if len(badRanges(bad)) == 0 {
			t.Errorf("%v: no complaint", bad)
		}
	}
}

func badRanges(list []Moved) (bad []string) {
	for i, m := range list {
		since, okSince := parseVersion(m.Since)
		_, okUntil := parseVersion(m.Until)
		switch {
		case m.Site == "" || m.Since == "" && m.Until == "":
			bad = append(bad, "a range without site or bounds")
		case m.Since != "" && !okSince || m.Until != "" && !okUntil:
			bad = append(bad, "a bound that is no version")
		case okSince && okUntil && !m.has(since):
			bad = append(bad, "an empty range")
		}
		for _, o := range list[:i] {
			if begins(o, m) || begins(m, o) {
				bad = append(bad, "ranges overlap")
			}
		}
	}
	return bad
}

// begins reports whether b begins in a. A range without Since begins in every
// other that has none, too.
func begins(a, b Moved) bool {
	since, ok := parseVersion(b.Since)
	return ok && a.has(since) || !ok && a.Since == ""
}

// TestGatedProbesNameTheirSite: on a kernel that counts, a denial must be counted
// at the probe's call site, so each gated probe names one.
func TestGatedProbesNameTheirSite(t *testing.T) {
	for _, r := range Rows() {
		if r.Expect == Checked && r.Site == "" {
			t.Errorf("%s names no call site", r.ID)
		}
	}
}

// A call that moved in a point release is where the kernel has it.
func TestInstead(t *testing.T) {
	row := Row{Probe: Probe{Where: Where{Site: "a.c:new", Instead: "a.c:old"}}}
	for _, c := range []struct {
		calls []string
		want  string
	}{
		{nil, "a.c:new"},
		{[]string{"a.c:old"}, "a.c:old"},
		{[]string{"a.c:old", "a.c:new"}, "a.c:new"},
		{[]string{"b.c:other"}, "a.c:new"}, // neither: the probe must not pass by a call that nobody named
	} {
		k := Kernel{Version: "6.12.107"}
		for _, call := range c.calls {
			if k.Calls == nil {
				k.Calls = map[string]bool{}
			}
			k.Calls[call] = true
		}
		if got := row.Of(k).Site; got != c.want {
			t.Errorf("%q: %s, want %s", c.calls, got, c.want)
		}
	}
}
