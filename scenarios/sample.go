package scenarios

import (
	"cmp"
	"slices"

	"github.com/ldlab/ldlab/lockdown"
)

// Sample lists those of the probes that are enough for a setting, in their order.
//
// If the setting has a level, or locks nothing, these are all of them. A setting
// of single reasons has every probe of its reasons and of lockdown's own files, and
// of the other reasons one probe for each call site: they only show that the lock
// does not reach it, and whatever arguments they pass, it is the call site that
// compares the reason. A call site that only other machines than the plain one
// reach is left out if its reason has another one.
func Sample(ids []string, s lockdown.Setting, archName string) []string {
	if s.Level != lockdown.None || len(s.Reasons) == 0 {
		return ids
	}
	rows := make([]Row, len(ids))
	for i, id := range ids {
		rows[i], _ = Find(id)
	}
	chosen := sampled(rows, s, archName)
	var list []string
	for i, id := range ids {
		if chosen[i] || rows[i].Expect == ABI || len(rows[i].Refusing(s)) > 0 || s.Locks(rows[i].Reason) {
			list = append(list, id)
		}
	}
	return list
}

// sampled chooses a row for each call site of the reasons that the setting does
// not lock.
func sampled(rows []Row, s lockdown.Setting, archName string) map[int]bool {
	type call struct {
		reason lockdown.Reason
		site   string
	}
	best := map[call]int{}
	plain := map[lockdown.Reason]bool{}
	for i, r := range rows {
		if r.Expect != Checked || !r.On(archName) || s.Locks(r.Reason) {
			continue
		}
		plain[r.Reason] = plain[r.Reason] || r.Machine == Plain && !r.Exclusive
		c := call{r.Reason, r.Site}
		if have, ok := best[c]; !ok || cheaper(r, rows[have]) {
			best[c] = i
		}
	}
	chosen := map[int]bool{}
	for c, i := range best {
		chosen[i] = !plain[c.reason] || rows[i].Machine == Plain && !rows[i].Exclusive
	}
	return chosen
}

// cheaper reports whether a row is a better choice than another one of its call
// site: it needs no machine of its own, it acts after the lock, and it depends on
// less of the kernel's configuration.
func cheaper(a, b Row) bool {
	cost := func(r Row) []int {
		return []int{one(r.Machine != Plain || r.Exclusive), one(r.CheckedAtBoot), len(r.Needs), one(r.Setup != nil)}
	}
	return slices.CompareFunc(cost(a), cost(b), cmp.Compare[int]) < 0
}

func one(set bool) int {
	if set {
		return 1
	}
	return 0
}
