package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Mutation lists the mutants of one kernel's call sites and reasons.
type Mutation struct {
	Kernel, Arch string
	Interface    lockdown.Interface
	Origin       Origin
	Mutants      []Mutant
	Alarms       []string // verdicts on the kernel without a mutant that are not as expected
}

// A MutantKind is what is wrong with a mutant. Its text is a value of the flag
// --kind, and for most kinds the lab series' own name of it.
type MutantKind string

// Kinds of mutants. The lab series (kernels/patches/lab) makes all of them at
// run time, without another build.
const (
	Allow   MutantKind = "allow"    // the call returns 0, whatever is locked
	Deny    MutantKind = "deny"     // the call returns -EPERM, whatever is locked
	Omit    MutantKind = "omit"     // the call is not there: it returns 0 and is not counted
	Ignore  MutantKind = "ignore"   // its caller ignores the answer, which is counted and logged
	AsSame  MutantKind = "as-same"  // the call asks for another reason of the same level
	AsOther MutantKind = "as-other" // the call asks for a reason of another level
	Once    MutantKind = "once"     // the call is not there any more after its first denial
	Euid    MutantKind = "euid"     // the call is there only if the effective user is root
	Mute    MutantKind = "mute"     // the call denies, but nothing is counted or logged
	// Source is a patch that breaks the kernel's source, in ways that no answer of
	// one call can: a late check, a caller without its check, another entry.
	Source MutantKind = "source"

	// NeverLocked and AlwaysLocked are wrong wherever their reason is asked for.
	NeverLocked  MutantKind = "lost"
	AlwaysLocked MutantKind = "stuck"
)

// A mutantKindInfo describes a kind.
type mutantKindInfo struct {
	kind MutantKind
	text string // for users
}

var mutantKinds = []mutantKindInfo{
	{Allow, "the call returns 0, whatever is locked"},
	{Deny, "the call returns -EPERM, whatever is locked"},
	{Omit, "the call is not there"},
	{Ignore, "the caller ignores the answer, which is counted and logged"},
	{AsSame, "the call asks for another reason of the same level"},
	{AsOther, "the call asks for a reason of the other level"},
	{Once, "the call is not there any more after its first denial"},
	{Euid, "the call is there only if the effective user is root"},
	{Mute, "the call denies, and nothing is counted or logged"},
	{NeverLocked, "the reason is never locked, although lockdown's files show it"},
	{AlwaysLocked, "the reason is always locked, although lockdown's files do not show it"},
	{Source, "a patch of the source (kernels/mutants): only if asked for, with a build for each batch"},
}

// MutantKinds lists every kind.
func MutantKinds() (list []MutantKind) {
	for _, k := range mutantKinds {
		list = append(list, k.kind)
	}
	return list
}

// Text describes the kind in a few words.
func (k MutantKind) Text() string {
	for _, info := range mutantKinds {
		if info.kind == k {
			return info.text
		}
	}
	return string(k)
}

// AtRunTime reports whether the lab series makes mutants of the kind at run time,
// without a build.
func (k MutantKind) AtRunTime() bool { return k != Source }

// OfSite reports whether a mutant of the kind is that of one call site.
func (k MutantKind) OfSite() bool { return k.AtRunTime() && !k.OfReason() }

// OfReason reports whether a mutant of the kind is a reason's and not that of
// one call site.
func (k MutantKind) OfReason() bool { return k == NeverLocked || k == AlwaysLocked }

// Denies reports whether a mutant of the kind denies what is not locked. The
// others are wrong where something is locked.
func (k MutantKind) Denies() bool { return k == Deny || k == AlwaysLocked }

// Hides reports whether a second call that denies the same act can hide a mutant
// of the kind from every observer: what is counted at the call stays the same.
func (k MutantKind) Hides() bool { return k == Ignore || k == Once || k == Euid }

// A Mutant is a kernel in which one check is broken on purpose.
type Mutant struct {
	Kind       MutantKind
	Site       string          `json:",omitempty"` // of a call site: as the kernel names it; of the source: the patch
	Call       string          `json:",omitempty"` // of a call site: file:function of the source
	Reason     lockdown.Reason `json:",omitempty"` // of a reason: that; AsSame, AsOther: what is asked for instead
	Status     Status
	By         []string  `json:",omitempty"` // Killed: probes that detected it by the strongest evidence
	DetectedBy Detection `json:",omitempty"` // Killed: the strongest evidence
	Why        string    `json:",omitempty"` // Killed: what the first probe in By saw; else why no probe detected it
}

// Command is the mutant as the lab series takes it (lib/ldlab/mutate.c).
func (m Mutant) Command() string {
	kind := string(m.Kind)
	if m.Kind == AsSame || m.Kind == AsOther {
		kind = "as"
	}
	if m.Reason != "" {
		info, _ := lockdown.Info(m.Reason)
		kind += "=" + strings.ReplaceAll(info.Label, " ", "_")
	}
	return strings.TrimSpace(kind + " " + m.Site)
}

// A Status is the outcome of a mutant.
type Status string

const (
	Killed      Status = "killed"      // a probe detected it
	Survived    Status = "survived"    // probes reached its call site, and none detected it
	Equivalent  Status = "equivalent"  // it was shown to differ from the kernel in nothing that lockdown promises
	NotCovered  Status = "not reached" // no probe gets another answer from it than from the kernel
	MutantError Status = "error"       // the guest was lost, or the lab failed
)

// Statuses lists every status, the best first.
func Statuses() []Status { return []Status{Killed, Equivalent, NotCovered, Survived, MutantError} }

// A Detection is the kind of evidence that killed a mutant.
type Detection string

// Detections, the strongest first.
const (
	// DetectedByEffect: an act was allowed or denied that was not before. User
	// space can see it.
	DetectedByEffect Detection = "effect"
	// DetectedByCrash: the guest panicked or reset.
	DetectedByCrash Detection = "crash"
	// DetectedByCounters: the act ended as before, and only what the kernel
	// says of its checks differs: how many there were, or for which reason. The
	// counters come from the same series as the mutant, so this evidence is
	// weaker.
	DetectedByCounters Detection = "counters"
	// DetectedByDoubt: a probe that was enforced proves nothing any more.
	DetectedByDoubt Detection = "doubt"
)

// Detections lists every kind of evidence, the strongest first.
func Detections() []Detection {
	return []Detection{DetectedByEffect, DetectedByCrash, DetectedByCounters, DetectedByDoubt}
}

// DetectionOf returns the evidence that a cell of a mutant gives; empty if the
// cell is as expected of the kernel without a mutant, or has no observation.
func DetectionOf(c Cell) Detection {
	var outcome scenarios.Outcome
	if c.Observed != nil {
		outcome = c.Observed.Outcome
	}
	switch {
	case c.Verdict.Expected(), c.Verdict == Lost, c.Verdict == NotRun: // a probe that did not report detects nothing
		return ""
	case c.Verdict == Leak && (outcome == scenarios.Allowed || c.Rule != ruleLeakAtSite), c.Verdict == Overblocked && outcome == scenarios.Denied, c.Verdict == Deviates, c.Verdict == NotLocked:
		return DetectedByEffect
	case c.Verdict == Leak, c.Verdict == Overblocked, c.Verdict == Unattributed:
		return DetectedByCounters
	}
	return DetectedByDoubt
}

// Judge sets the mutant's status by the cells of its probes, in the order of
// the probes. A cell of a probe says how strong its evidence is.
func (m *Mutant) Judge(probes []string, cells []Cell) {
	m.Status, m.By, m.DetectedBy = Survived, nil, ""
	var others []string
	for i, id := range probes {
		by := DetectionOf(cells[i])
		if by == "" {
			others = append(others, fmt.Sprintf("%s: %s", id, cells[i].Verdict))
			continue
		}
		if rank := slices.Index(Detections(), by); len(m.By) == 0 || rank < slices.Index(Detections(), m.DetectedBy) {
			m.Status, m.DetectedBy, m.By, m.Why = Killed, by, nil, cells[i].Why
		}
		if by == m.DetectedBy {
			m.By = append(m.By, id)
		}
	}
	if m.Status == Survived {
		m.Why = strings.Join(others, ", ")
	}
}

// CountDetected counts the mutants that the evidence killed.
func (m Mutation) CountDetected(by Detection) (n int) {
	for _, x := range m.Mutants {
		if x.Status == Killed && x.DetectedBy == by {
			n++
		}
	}
	return n
}

// Count counts the mutants with a status.
func (m Mutation) Count(s Status) (n int) {
	for _, x := range m.Mutants {
		if x.Status == s {
			n++
		}
	}
	return n
}

// CountKind counts the mutants of a kind with a status.
func (m Mutation) CountKind(k MutantKind, s Status) (n int) {
	for _, x := range m.Mutants {
		if x.Kind == k && x.Status == s {
			n++
		}
	}
	return n
}

// Sound reports whether at least one mutant was killed, none survived or failed,
// and the kernel without a mutant raised no alarm.
func (m Mutation) Sound() bool {
	return m.Count(Killed) > 0 && m.Count(Survived) == 0 && m.Count(MutantError) == 0 && len(m.Alarms) == 0
}
