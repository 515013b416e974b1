package engine

import (
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A baseline is the results of an unchanged kernel.
type baseline struct {
	k                 *kernel
	open, late, early matrix.Result     // nothing locked; everything locked, at run time and at boot
	mutants           []mutant          // in the order of the sites' names, and of the reasons
	claims            map[string]string // the argument that a mutant is equivalent, by "FILE:FUNCTION KIND"
}

// A mutant is a possible mutant of the kernel, with the job whose probes can
// detect it.
type mutant struct {
	matrix.Mutant
	job   job    // without probes if none can detect the mutant
	same  string // why the mutant cannot differ from the kernel; empty if it can
	claim string // the argument that it is equivalent, which its run may refute; empty: none
	label string // text of the reason that the call checks; empty: not known
	aux   bool   // not asked for: its result shows which other calls deny the same acts
}

// MutantChoice selects mutants. The zero value selects all.
type MutantChoice struct {
	Kinds  []matrix.MutantKind // empty: all that the lab series makes at run time
	Match  string              // only mutants of call sites, reasons and patches whose name has this text
	Sample int                 // above 1: every Sample-th call site, reason and patch only
	Alone  bool                // each patch of the source gets a kernel of its own
}

func (c MutantChoice) kind(k matrix.MutantKind) bool {
	return len(c.Kinds) == 0 || slices.Contains(c.Kinds, k)
}

// Matches reports whether mutants of the name are chosen.
func (c MutantChoice) Matches(name string) bool { return strings.Contains(name, c.Match) }

// Nth reports whether the n-th call site, reason or patch is chosen, counted from 0.
func (c MutantChoice) Nth(n int) bool { return n%max(1, c.Sample) == 0 }

// newBaseline returns the chosen mutants of the kernel if the results have a
// baseline of it.
func newBaseline(k *kernel, list []matrix.Result, choice MutantChoice, claims map[string]string) *baseline {
	base := &baseline{k: k, claims: claims}
	for _, res := range list {
		if keyOfGuest(res.Guest) != keyOf(k.build) {
			continue
		}
		switch {
		case res.Setting.Level == lockdown.None:
			base.open = res
		case res.Setting.Via == lockdown.Runtime:
			base.late = res
		default:
			base.early = res
		}
	}
	for n, site := range k.sites.Present {
		if !choice.Nth(n) || !choice.Matches(site.Name+" "+site.Where()) {
			continue
		}
		hides := false
		for _, kind := range matrix.MutantKinds() {
			if kind.OfSite() && choice.kind(kind) {
				hides = hides || kind.Hides()
				base.mutants = append(base.mutants, base.ofSite(site, kind))
			}
		}
		if hides && !choice.kind(matrix.Omit) {
			x := base.ofSite(site, matrix.Omit)
			x.aux = true
			base.mutants = append(base.mutants, x)
		}
	}
	for n, info := range lockdown.Reasons() {
		asks := func(s lockdown.Site) bool { return s.Reason == info.Reason }
		if !choice.Nth(n) || !choice.Matches(string(info.Reason)) || !slices.ContainsFunc(k.sites.Present, asks) {
			continue
		}
		for _, kind := range matrix.MutantKinds() {
			if kind.OfReason() && choice.kind(kind) {
				base.mutants = append(base.mutants, base.ofReason(info, kind))
			}
		}
	}
	return base
}

// differs reports whether a mutant of the kind may change what is counted: one
// that denies does if the kernel lets something through, the others if it
// denies.
func differs(kind matrix.MutantKind, k scenarios.Check) bool {
	if kind.Denies() {
		return k.Checks > k.Denials
	}
	return k.Denials > 0
}

// locked is the result in which a mutant of the kind differs.
func (base *baseline) locked(kind matrix.MutantKind) *matrix.Result {
	if kind.Denies() {
		return &base.open
	}
	return &base.late
}

// ofReason is a mutant of a reason, with the probes that it must change.
func (base *baseline) ofReason(info lockdown.ReasonInfo, kind matrix.MutantKind) mutant {
	x := mutant{Mutant: matrix.Mutant{Kind: kind, Reason: info.Reason}}
	x.job.mutant.command = x.Command()
	res := base.locked(kind)
	x.job.guest = res.Guest
	x.job.probes = res.Checking(func(k scenarios.Check) bool { return k.Label == info.Label && differs(kind, k) })
	return x
}

// ofSite is a mutant of a call site, with the probes that check lockdown there
// and get another answer than the mutant's.
func (base *baseline) ofSite(site lockdown.Site, kind matrix.MutantKind) mutant {
	x := mutant{Mutant: matrix.Mutant{Site: site.Name, Call: site.Where(), Kind: kind}}
	if kind == matrix.AsSame || kind == matrix.AsOther {
		if x.Reason = base.k.sites.Reasons.Another(site.Reason, kind == matrix.AsSame); x.Reason == "" {
			x.Why = "the source does not say which reason it checks"
			return x
		}
	}
	x.job.mutant.command = x.Command()
	x.claim = base.claims[site.Where()+" "+string(kind)]
	if info, ok := lockdown.Info(site.Reason); ok {
		x.label = info.Label
	}
	there := func(k scenarios.Check) bool { return k.Site == site.Name && differs(kind, k) }
	res := base.locked(kind)
	x.job.guest = res.Guest
	if x.job.probes = res.Checking(there); len(x.job.probes) > 0 {
		return x
	}
	if !kind.Denies() {
		res = &base.early
	}
	plain := res.Plain()
	if s := plain.State(guestproto.WhenBoot); s != nil {
		if i := slices.IndexFunc(s.Checks, there); i >= 0 {
			x.job.probes = base.bootProbes(site, kind)
			x.same = sameAtBoot(kind, s.Checks[i])
		}
	}
	x.job.guest, x.job.mutant.atBoot = res.Guest, true
	return x
}

// sameAtBoot says why a mutant of a call that only the boot makes cannot differ;
// empty if it can.
func sameAtBoot(kind matrix.MutantKind, k scenarios.Check) string {
	switch {
	case kind == matrix.Euid:
		return "only the kernel's own boot task makes the call, as root"
	case kind == matrix.Once && k.Checks == 1:
		return "the call is made once, at boot"
	}
	return ""
}

// checked reports whether a check is made at the site, or, of a reason, anywhere
// for that reason.
func (base *baseline) checked(x matrix.Mutant) bool {
	info, _ := lockdown.Info(x.Reason)
	there := func(k scenarios.Check) bool {
		return x.Site != "" && k.Site == x.Site || x.Site == "" && k.Label == info.Label
	}
	for _, res := range []matrix.Result{base.open, base.late, base.early} {
		for _, m := range res.Machines {
			if slices.ContainsFunc(m.Observations, func(o scenarios.Observation) bool { return slices.ContainsFunc(o.Checks, there) }) ||
				slices.ContainsFunc(m.States, func(s scenarios.State) bool { return slices.ContainsFunc(s.Checks, there) }) {
				return true
			}
		}
	}
	return false
}

// bootProbes lists the probes that observe the effect of the site's answer at
// boot: those of the site, or else those of its reason.
//
// A gap is not expected to be denied, so it detects only a site that denies.
func (base *baseline) bootProbes(site lockdown.Site, kind matrix.MutantKind) (own []string) {
	var others []string
	for _, row := range scenarios.Rows() {
		row = row.In(base.k.record.Origin.BaseVersion)
		switch {
		case row.Site == site.Where() && row.Expect == scenarios.Gap && kind.Denies():
			own = append(own, row.ID)
		case !row.CheckedAtBoot || row.Expect != scenarios.Checked || !row.On(base.k.build.Arch.Name):
		case row.Site == site.Where():
			own = append(own, row.ID)
		case row.Reason == site.Reason:
			others = append(others, row.ID)
		}
	}
	if len(own) == 0 {
		return others
	}
	return own
}

// whole reports whether every guest of the baseline did its work.
func (base *baseline) whole() bool {
	for _, res := range []matrix.Result{base.open, base.late, base.early} {
		if len(res.Machines) == 0 || !res.End.Well() {
			return false
		}
	}
	return true
}
