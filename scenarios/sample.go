package scenarios

import (
	"cmp"
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// Sample lists those of the probes that are enough for a setting, in their order.
//
// If the setting is a level alone, or locks nothing, these are all of them. A
// setting with single reasons has every probe of these reasons and of lockdown's own
// files, and of the other reasons one probe for each call site: it shows whether the
// lock reaches the site, and whatever arguments an act passes, it is the call site
// that compares the reason. A call site that only other machines than the plain one
// reach is left out if its reason has another one, or if each machine would have to
// be booted for it.
func Sample(ids []string, s lockdown.Setting, archName string) []string {
	if len(s.Reasons) == 0 {
		return ids
	}
	rows := make([]Row, len(ids))
	for i, id := range ids {
		rows[i], _ = Find(id)
	}
	single := lockdown.Setting{Reasons: s.Reasons}
	chosen := sampled(rows, single, archName, s.Via == lockdown.Runtime)
	var list []string
	for i, id := range ids {
		if chosen[i] || rows[i].Expect == ABI || len(rows[i].Refusing(single)) > 0 || single.Locks(rows[i].Reason) {
			list = append(list, id)
		}
	}
	return list
}

// sampled chooses a row for each call site of the reasons that the setting does
// not lock. other allows machines other than the plain one.
func sampled(rows []Row, s lockdown.Setting, archName string, other bool) map[int]bool {
	type call struct {
		reason lockdown.Reason
		site   string
	}
	best := map[call]int{}
	place := map[lockdown.Reason]int{} // the cheapest place at which a row of the reason runs
	for i, r := range rows {
		if r.Expect != Checked || !r.On(archName) || s.Locks(r.Reason) {
			continue
		}
		if cheapest, ok := place[r.Reason]; !ok || r.place() < cheapest {
			place[r.Reason] = r.place()
		}
		c := call{r.Reason, r.Site}
		if have, ok := best[c]; !ok || cheaper(r, rows[have]) {
			best[c] = i
		}
	}
	chosen := map[int]bool{}
	for c, i := range best {
		at := rows[i].place()
		chosen[i] = at == place[c.reason] && (at == inPlain || other)
	}
	return chosen
}

// Places at which a row runs, the cheapest one first.
const (
	inPlain = iota // the machine that every guest has
	inOther        // a machine that several rows share
	alone          // a machine of its own
)

func (r Row) place() int {
	switch {
	case r.Exclusive:
		return alone
	case r.Machine != Plain:
		return inOther
	}
	return inPlain
}

// cheaper reports whether a row is a better choice than another one of its call
// site: it needs no machine of its own, it acts after the lock, and it depends on
// less of the kernel's configuration.
func cheaper(a, b Row) bool {
	cost := func(r Row) []int {
		return []int{r.place(), one(r.CheckedAtBoot), len(r.Needs), one(r.Setup != nil)}
	}
	return slices.CompareFunc(cost(a), cost(b), cmp.Compare[int]) < 0
}

func one(set bool) int {
	if set {
		return 1
	}
	return 0
}
