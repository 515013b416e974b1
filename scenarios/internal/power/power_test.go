package power

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

func TestOtherMode(t *testing.T) {
	for _, c := range []struct{ list, was, other string }{
		{"[platform] shutdown reboot", "platform", "reboot"},
		{"shutdown [reboot] test_resume", "reboot", "shutdown"},
		{"[disabled]", "", "shutdown"},
		{"", "", "shutdown"},
	} {
		if was, other := otherMode(c.list); was != c.was || other != c.other {
			t.Errorf("%q: %q and %q, want %q and %q", c.list, was, other, c.was, c.other)
		}
	}
}

func TestSawHibernation(t *testing.T) {
	for _, c := range []struct {
		outcome observe.Outcome
		log     string
		want    observe.Effect
	}{
		{observe.Allowed, "PM: hibernation: hibernation exit\n", observe.Happened},
		{observe.Denied, "PM: hibernation: hibernation entry\n", observe.Happened},
		{observe.Denied, "Lockdown: ldp-1: hibernation is restricted\n", observe.Nothing},
		{observe.Allowed, "", ""}, // the kernel may be too old to log it
	} {
		if r := sawHibernation(observe.Report{Outcome: c.outcome}, c.log); r.Effect != c.want {
			t.Errorf("%s, %q: %q, want %q", c.outcome, c.log, r.Effect, c.want)
		}
	}
}

func TestUninterruptible(t *testing.T) {
	for stat, want := range map[string]bool{
		"7 (ldp-0001) D 1 7 7":   true,
		"7 (a) D ) S 1 7 7":      false,
		"7 (a) S ) D 1 7 7":      true,
		"7 (ldp-0001) R 1 7 7":   false,
		"7 (ldp-0001) DEAD 1 7":  false,
		"":                       false,
		"a line without a name ": false,
	} {
		if got := uninterruptible(stat); got != want {
			t.Errorf("%q: %v", stat, got)
		}
	}
}
