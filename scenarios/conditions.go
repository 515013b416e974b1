package scenarios

import (
	"slices"
	"strings"
)

// A Condition is what holds of a probe instead of its claim, on kernels of some
// versions or with some configuration. Of those that are met, the first counts.
type Condition struct {
	Since  string // the first version, such as 5.13; empty: all before Until
	Until  string // the first version after it; empty: all from Since
	Config string // CONFIG_X=y, =m or another value, and =n if it is off; empty: any configuration

	Then   Consequence
	Class  GapClass // ThenGap: what kind of gap
	Source string   // function and version, the text of Kconfig, or a commit
}

// A Consequence is what a Condition makes of a probe.
type Consequence int

const (
	// ThenDenied probes are Checked: lockdown checks the act there.
	ThenDenied Consequence = iota + 1
	// ThenGap probes are gaps: lockdown does not check the act there, nor hide
	// its object at boot.
	ThenGap
	// ThenAbsent probes lack their target.
	ThenAbsent
	// ThenDeniedLater probes do a harmless part of the act before lockdown
	// refuses the rest. The call and the object look as if it were allowed. It
	// is denied if the kernel itself names the reason.
	ThenDeniedLater
)

// A GapClass is what is known of the opinion of the kernel's maintainers on a
// known gap.
type GapClass string

const (
	ByDesign   GapClass = "by design"  // lockdown leaves it open on purpose, or by how it works
	Documented GapClass = "documented" // a commit or the documentation names it
	Disputed   GapClass = "disputed"   // it was brought up, and there was no agreement
	Bug        GapClass = "bug"        // the same power is refused elsewhere, and nobody defends it
)

// A Kernel is what is known of a kernel, as far as rows depend on it.
type Kernel struct {
	Version string            // such as 6.12.117; empty: not known
	Config  map[string]string // the values of CONFIG symbols, n if off; nil: not known
	Calls   map[string]bool   // the file:function that have a call of security_locked_down(); nil: not known
}

// Of returns the row as it holds for a kernel: with its call site there, and
// with the first condition that the kernel meets. If an earlier condition
// depends on a symbol whose value is not known, the row has it as Undecided.
func (r Row) Of(k Kernel) Row {
	r.Site = r.SiteIn(k.Version)
	if r.Instead != "" && !k.Calls[r.Site] && k.Calls[r.Instead] {
		r.Site = r.Instead
	}
	v, known := parseVersion(k.Version)
	if r.Expect == Gap && known && !inRange(v, r.Since, r.Until) {
		r.Expect = Checked
	}
	for i := range r.Conditions {
		c := &r.Conditions[i]
		if c.Since+c.Until != "" && (!known || !inRange(v, c.Since, c.Until)) {
			continue
		}
		met, known := c.configured(k.Config)
		if !known && r.Undecided == nil {
			r.Undecided = c
		}
		if met {
			return r.apply(*c)
		}
	}
	return r
}

// configured reports whether a configuration meets the condition. known is
// false if the symbol's value is not known.
func (c Condition) configured(config map[string]string) (met, known bool) {
	if c.Config == "" {
		return true, true
	}
	symbol, want, _ := strings.Cut(c.Config, "=")
	value, known := config[symbol]
	return known && value == want, known
}

func (r Row) apply(c Condition) Row {
	r.Undecided = nil
	switch c.Then {
	case ThenDenied:
		r.Expect = Checked
	case ThenGap:
		r.Expect, r.Class, r.Source, r.AbsentIfLockedAtBoot = Gap, c.Class, c.Source, false
	case ThenAbsent:
		r.Absent = c.Source
	case ThenDeniedLater:
		r.DeniedLater = true
	}
	return r
}

// Symbols lists the CONFIG symbols that the row depends on, each once.
func (r Row) Symbols() (list []string) {
	add := func(text string) {
		if symbol, _, _ := strings.Cut(text, "="); symbol != "" && !slices.Contains(list, symbol) {
			list = append(list, symbol)
		}
	}
	for _, n := range r.Needs {
		add(n)
	}
	for _, c := range r.Conditions {
		add(c.Config)
	}
	return list
}

// Unmet returns why a kernel's configuration does not meet a need of a row,
// which is CONFIG_X or CONFIG_X=n. It is empty if the need is met or nothing is
// known of the symbol.
func (k Kernel) Unmet(need string) string {
	symbol, off := strings.CutSuffix(need, "=n")
	switch value, known := k.Config[symbol]; {
	case !known, off && value == "n":
		return ""
	case off:
		return symbol + " is on"
	case value == "n":
		return symbol + " is off"
	case value == "m":
		return symbol + " is a module that the guest does not have"
	}
	return ""
}

// lateLSM is the condition of what is checked before security_init(): without
// LSM_EARLY lockdown's hook is not there yet.
var lateLSM = []Condition{{
	Config: "CONFIG_SECURITY_LOCKDOWN_LSM_EARLY=n", Then: ThenGap, Class: Documented,
	Source: "security/lockdown/Kconfig, v6.12: SECURITY_LOCKDOWN_LSM_EARLY enables lockdown before the rest of the command line is parsed; init/main.c:start_kernel calls security_init later",
}}
