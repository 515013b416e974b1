package scenarios

import (
	"slices"
	"strconv"
	"strings"
)

// Where is where a probe's claim holds: at which call site, in which versions of
// the kernel, on which architectures, with which configuration.
type Where struct {
	// Site is the call site, file:function, in the versions that Moved does not
	// name. It was looked up in Linux v6.12.
	Site string

	// Moved are versions in which the call site is another one.
	Moved []Moved

	// Instead is the call site in kernels that do not have Site, although their
	// version may: the call moved in a point release. Empty: there is none.
	Instead string

	Only  []string // architectures that have the call; empty: all
	Needs []string // CONFIG symbols without which the act cannot reach the site; CONFIG_X=n must be off

	// Since and Until are the versions in which a Gap is one: the first, and
	// the first after it. Other versions refuse the act, and allowing it is a
	// leak there. Empty: no bound.
	Since, Until string

	// Conditions are what holds instead in other versions and configurations.
	Conditions []Condition

	// CheckedAtBoot is set if the check happens during boot, and Do only
	// observes its effect. Only the reasons locked by then matter, and the
	// denial is attributed to the kernel's boot task.
	CheckedAtBoot bool

	// AbsentIfLockedAtBoot is set if a kernel that boots with the reason locked
	// does not create the object. The evidence for its absence is then that of
	// the boot. A lock at run time leaves the object there, and it refuses.
	AbsentIfLockedAtBoot bool
}

// A Moved is the call site in a range of kernel versions.
type Moved struct {
	Since string // the first version, such as 6.18; empty: all before Until
	Until string // the first version after it; empty: all from Since
	Site  string // file:function
}

// On reports whether guests of the architecture have the call at all.
func (w Where) On(arch string) bool { return len(w.Only) == 0 || slices.Contains(w.Only, arch) }

// SiteIn is the call site in a version of the kernel, such as 6.12.117. A version
// that is not known is taken for one that Moved does not name.
func (w Where) SiteIn(version string) string {
	v, ok := parseVersion(version)
	for _, m := range w.Moved {
		if ok && m.has(v) {
			return m.Site
		}
	}
	return w.Site
}

// In is the row as it holds for a version of the kernel whose configuration is
// not known.
func (r Row) In(version string) Row { return r.Of(Kernel{Version: version}) }

func (m Moved) has(v []int) bool { return inRange(v, m.Since, m.Until) }

// inRange reports whether a version is in a range. A bound that is empty is
// none.
func inRange(v []int, first, after string) bool {
	since, hasSince := parseVersion(first)
	until, hasUntil := parseVersion(after)
	return (!hasSince || slices.Compare(v, since) >= 0) && (!hasUntil || slices.Compare(v, until) < 0)
}

// parseVersion takes the numbers at the head of a version: 6.12.0-rc1 is 6.12.0.
func parseVersion(text string) (v []int, ok bool) {
	text, _, _ = strings.Cut(text, "-")
	for _, word := range strings.Split(text, ".") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil, false
		}
		v = append(v, n)
	}
	return v, true
}
