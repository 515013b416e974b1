package patchset

import "testing"

func TestMeets(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"", "< 6.1", true}, {">= 6.12, < 6.13", ">= 6.1, < 6.2", false}, {">= 6.12", ">= 6.1, < 6.2", false},
		{">= 6.12.85", ">= 6.12, < 6.13", true}, {"= 6.12", "> 6.12", false}, {"<= 6.12", ">= 6.12", true}, {"> 6.12, < 6.12.1", "> 6.12", true},
	} {
		a, err1 := ParseVersions(c.a)
		b, err2 := ParseVersions(c.b)
		if err1 != nil || err2 != nil || a.Meets(b) != c.want || b.Meets(a) != c.want {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.want)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		set, version string
		want         bool
	}{
		{">= 6.12, < 6.13", "6.12", true},
		{">= 6.12, < 6.13", "6.12.117", true},
		{">= 6.12, < 6.13", "6.13", false},
		{">= 6.12, < 6.13", "6.13-rc1", false},
		{">= 6.12, < 6.13", "6.6.5", false},
		{">=6.12.10", "6.12.9", false},
		{"> 6.12", "6.12.0", false},
		{"<= 6.12", "6.12.1", false},
		{"= 6.12", "6.12.0", true},
		{"", "6.1", true},
		{"", "what", true},
		{">= 6.12", "what", false},
	} {
		v, err := ParseVersions(c.set)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.Has(c.version); got != c.want {
			t.Errorf("%q has %s = %v", c.set, c.version, got)
		}
	}
	for _, bad := range []string{"6.12", "~ 6.12", ">= six", ">= 6.12,", ">= -1"} {
		if _, err := ParseVersions(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
