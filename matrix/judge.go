package matrix

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/scenarios"
)

// A rule gives a verdict to the evidence that it matches, if no earlier rule
// does.
type rule struct {
	name    string
	verdict Verdict
	text    string // for users: when the rule decides
	when    func(e *evidence) bool
	why     func(e *evidence) string // the sentence that goes with the verdict
}

// ruleArchitecture is the rule for probes of another architecture.
const ruleArchitecture = "architecture"

// ruleLeakAtSite is the rule for a call site that let an act through, whatever
// became of the act.
const ruleLeakAtSite = "leak-at-site"

// NoControl is the rule for a cell that has no control of its kernel and host.
const NoControl = "no-control"

// rules is the verdict table of the lab, in order. The last rule decides what
// is left. TestRules fails if a rule decides nothing.
var rules = []rule{
	{"no-such-probe", Unproven, "this lab does not have the probe",
		func(e *evidence) bool { return e.unknown },
		func(*evidence) string { return "this lab has no such probe" }},
	{ruleArchitecture, Unavailable, "guests of the architecture do not have the call",
		func(e *evidence) bool { return !e.row.On(e.guest.Arch) },
		func(e *evidence) string { return strings.Join(e.row.Only, " and ") + " only" }},
	{"reason-not-there", Unavailable, "the kernel does not have the probe's reason, or one that the setting locks",
		func(e *evidence) bool { return e.lacks() != "" },
		(*evidence).lacks},
	{"not-run", NotRun, "the guest has no result",
		func(e *evidence) bool { return e.notRun },
		func(*evidence) string { return "" }},
	{"lab-failed", Unproven, "the lab or its host failed",
		func(e *evidence) bool { return e.end.Failed() },
		func(e *evidence) string { return "the lab failed: " + e.end.String() }},
	{"lost", Lost, "the guest did not report the probe",
		func(e *evidence) bool { return e.observed == nil },
		func(e *evidence) string {
			if e.end.Well() {
				return "no observation"
			}
			return e.end.String()
		}},

	{"reported-twice", Unproven, "the guest, or its control, reported the probe more than once",
		func(e *evidence) bool { return e.twice != "" },
		func(e *evidence) string { return e.twice }},
	{"unknown-outcome", Unproven, "this lab does not have the outcome",
		func(e *evidence) bool { return !slices.Contains(Outcomes, e.outcome()) },
		func(e *evidence) string {
			return fmt.Sprintf("has the unknown outcome %.80q, which proves nothing", e.outcome())
		}},

	// The target is absent. An absence that none of these rules explains is
	// unproven by the rules on the control.
	{"absent-only-here", Unproven, "the target is absent here and present in the control",
		func(e *evidence) bool {
			return e.absent() && e.control != nil && e.control.Outcome != scenarios.Unavailable
		},
		func(e *evidence) string {
			return fmt.Sprintf("%s, but it is present with nothing locked: %s", describe(e.observed), describe(e.control))
		}},
	{"absent-by-config", Unavailable, "the target is absent, and the kernel's configuration has a symbol off, or as a module, that the probe needs",
		func(e *evidence) bool { return e.absent() && e.unmet(e.observed.Why) != "" },
		func(e *evidence) string { return e.whyUnmet(e.observed.Why) }},
	{"absent-by-version", Unavailable, "the target is absent, and kernels of that version do not have it",
		func(e *evidence) bool { return e.absent() && e.row.Absent != "" },
		func(e *evidence) string { return e.observed.Why + ": " + e.row.Absent }},
	{"absent-as-listed", Unavailable, "the target is absent, and the list of expected absences has it",
		func(e *evidence) bool { return e.absent() && listedAbsence(e) != nil },
		func(e *evidence) string { return e.observed.Why }},
	{"absent-in-image", Unavailable, "the target is absent from a ready image, and the lab cannot check the reason",
		func(e *evidence) bool { return e.absent() && e.imageLacks(e.observed.Why) },
		func(e *evidence) string { return e.observed.Why }},

	// lockdown's own files have an ABI instead of a control.
	{"abi-no-answer", Unproven, "an ABI probe has no answers",
		func(e *evidence) bool { return e.abi() && len(e.answers()) == 0 },
		(*evidence).unproven},
	{"abi-deviates", Deviates, "an answer of lockdown's files differs from the model's",
		func(e *evidence) bool { return e.abi() && e.deviation() != "" },
		(*evidence).deviation},
	{"abi-conforms", Conforms, "every answer of lockdown's files is the model's",
		(*evidence).abi,
		func(e *evidence) string {
			return fmt.Sprintf("%d of %d answers are the model's", len(e.answers()), len(e.answers()))
		}},

	{"not-locked", NotLocked, "lockdown's files show that the setting is not in force, or not any more",
		func(e *evidence) bool {
			return e.notLocked != "" && (!e.expects(scenarios.ExpectAllowed) || lostLevel(e.observed) != "")
		},
		func(e *evidence) string { return e.call() + "; " + e.notLocked }},

	{"locked-before", Unproven, "expected allowed, and denied by a kernel whose files show a level that the setting does not lock",
		func(e *evidence) bool {
			return e.expects(scenarios.ExpectAllowed) && (e.denied() || e.refusedUnlocked() != "") && e.lockedBefore() != ""
		},
		func(e *evidence) string { return e.call() + "; " + e.lockedBefore() }},

	// A denial that the kernel itself attributes to lockdown needs no control.
	{"denied-by-kernel", Overblocked, "expected allowed, and the kernel itself names lockdown for the denial",
		func(e *evidence) bool {
			return e.expects(scenarios.ExpectAllowed) && e.denied() && len(e.named()) > 0
		},
		(*evidence).callAndEvidence},
	{"counted-unlocked", Overblocked, "the kernel counted a denial for a reason that is not locked, whatever the act's outcome",
		func(e *evidence) bool { return e.refusedUnlocked() != "" },
		func(e *evidence) string { return e.call() + "; " + e.refusedUnlocked() }},

	// Everything below needs a control that was allowed.
	{NoControl, Unproven, "the probe did not run with nothing locked on the same kernel and host",
		func(e *evidence) bool { return e.control == nil },
		func(e *evidence) string {
			return e.orUnexplained("no control: the probe did not run with nothing locked on the same kernel and host")
		}},
	{"control-absent", Unavailable, "denied on the way to a target that the kernel's configuration, or its version, leaves out",
		func(e *evidence) bool {
			return e.denied() && e.control != nil && e.control.Outcome == scenarios.Unavailable && (e.unmet(e.control.Why) != "" || e.row.Absent != "")
		},
		func(e *evidence) string {
			if e.row.Absent != "" {
				return e.control.Why + ": " + e.row.Absent
			}
			return e.whyUnmet(e.control.Why)
		}},
	{"control-not-allowed", Unproven, "the control was not allowed, or was allowed and nothing happened",
		func(e *evidence) bool {
			return e.control != nil && (e.control.Outcome != scenarios.Allowed || e.control.Effect == scenarios.Nothing)
		},
		func(e *evidence) string {
			return e.orUnexplained("control, nothing locked: " + describe(e.control))
		}},
	{"nothing-denied", NotLocked, "lockdown's files show that the setting is in force, and nothing of what was tried for several locked reasons was denied",
		func(e *evidence) bool {
			return e.nothingDenied != "" && e.expects(scenarios.ExpectDenied) && e.allowed()
		},
		func(e *evidence) string { return e.call() + "; " + e.nothingDenied }},
	{ruleLeakAtSite, Leak, "expected denied, and the probe's own call site let the act through",
		func(e *evidence) bool { return e.expects(scenarios.ExpectDenied) && e.letThrough() != nil },
		func(e *evidence) string {
			k := e.letThrough()
			return fmt.Sprintf("%s, but not by %s: it checked %q, and was not refused", e.call(), k.Site, k.Label)
		}},
	{"leak-though-refused", Leak, "expected denied, and denied, but the act happened all the same",
		func(e *evidence) bool {
			return e.expects(scenarios.ExpectDenied) && e.denied() && !e.deniedLater() && e.observed.Effect == scenarios.Happened
		},
		func(e *evidence) string { return e.call() + ", and yet it was done: " + e.observed.Look }},
	{"no-effect", Unproven, "the act was allowed, and nothing happened",
		func(e *evidence) bool { return e.allowed() && e.observed.Effect == scenarios.Nothing },
		func(e *evidence) string { return e.call() + ", but nothing happened: " + e.observed.Look }},
	{"not-looked", Unproven, "denied, and the probe did not look whether the act happened, although its control did",
		func(e *evidence) bool {
			return e.expects(scenarios.ExpectDenied) && e.denied() && e.observed.Effect == "" && e.control != nil && e.control.Effect != ""
		},
		func(e *evidence) string { return e.call() + ", but whether the act happened was not looked at" }},
	{"no-outcome", Unproven, "the act was neither allowed nor denied",
		func(e *evidence) bool { return !e.denied() && !e.allowed() },
		(*evidence).unproven},
	{"other-face", Unproven, "denied in a way that has other causes, too, and the kernel does not name lockdown",
		func(e *evidence) bool { return e.denied() && e.observed.Face != "" && len(e.named()) == 0 },
		func(e *evidence) string {
			return fmt.Sprintf("%s; %s, which may have other causes; %s", e.call(), e.observed.Face, e.evidence())
		}},

	{"denied-unexpectedly", Overblocked, "expected allowed, and denied",
		func(e *evidence) bool { return e.expects(scenarios.ExpectAllowed) && e.denied() },
		(*evidence).callAndEvidence},
	{"left-behind", Unproven, "the probe left something of the guest in another state than before",
		func(e *evidence) bool {
			return len(e.observed.Left) > 0 && !(e.allowed() && e.expects(scenarios.ExpectDenied)) && e.leakingVariant() == nil
		},
		func(e *evidence) string { return e.call() + "; left behind: " + strings.Join(e.observed.Left, "; ") }},
	{"open", Open, "expected allowed, and allowed",
		func(e *evidence) bool { return e.expects(scenarios.ExpectAllowed) },
		(*evidence).call},
	{"gap-open", OpenGap, "allowed although its reason is locked: a gap in the table of known gaps",
		func(e *evidence) bool { return e.expects(scenarios.ExpectGap) && e.allowed() },
		func(e *evidence) string {
			return fmt.Sprintf("%s although %s is locked: %s", e.call(), e.row.Reason, e.row.Source)
		}},
	{"leak-or-gap", Unproven, "expected denied, and allowed: a leak or a known gap, by a symbol whose value is not known",
		func(e *evidence) bool {
			return e.allowed() && e.row.Undecided != nil && e.row.Undecided.Then == scenarios.ThenGap
		},
		func(e *evidence) string {
			return fmt.Sprintf("%s although %s is locked: a leak, or with %s a known gap; the kernel's configuration is not known (--config)", e.call(), e.refusing(), e.row.Undecided.Config)
		}},
	{"leak", Leak, "expected denied, and allowed",
		(*evidence).allowed,
		func(e *evidence) string { return e.call() + " although " + e.refusing() + " is locked" }},

	{"leak-by-variant", Leak, "the act is denied, but not in a variant that reaches its object with nothing locked",
		func(e *evidence) bool { return e.leakingVariant() != nil },
		func(e *evidence) string {
			v := e.leakingVariant()
			return fmt.Sprintf("%s, but not %s: %s although %s is locked", e.call(), v.Args, describeVariant(v), e.row.Reason)
		}},
	{"variant-without-outcome", Unproven, "the act is denied, but a variant that reaches its object with nothing locked was neither allowed nor denied",
		func(e *evidence) bool { return e.openVariant() != "" },
		func(e *evidence) string { return e.call() + ", but " + e.openVariant() }},

	// The act is denied as expected. The reason that the kernel names must be
	// locked, and must be one that may deny this act.
	{"denied-by-unlocked", Overblocked, "the kernel names a reason that is not locked",
		func(e *evidence) bool { return e.namedUnlocked() != "" },
		func(e *evidence) string {
			return fmt.Sprintf("%s; %s: %s is not locked", e.call(), e.evidence(), e.namedUnlocked())
		}},
	{"asks-other-reason", Unattributed, "denied, but a call site asked for another reason than its source says",
		func(e *evidence) bool { return e.askedOther() != nil },
		func(e *evidence) string {
			k := e.askedOther()
			return fmt.Sprintf("%s; %s checked %q, and its source says %s", e.call(), k.Site, k.Label, e.asks[k.Site])
		}},
	{"not-logged", Unattributed, "denied and counted, but not logged, although the kernel's limit on lines had room",
		func(e *evidence) bool { return e.notLogged() != nil },
		func(e *evidence) string {
			return fmt.Sprintf("%s; the kernel counted a denial of %q and did not log it", e.call(), e.notLogged().Label)
		}},
	{"gap-closed", GapClosed, "a known gap is denied, and the kernel names the gap's reason",
		func(e *evidence) bool { return e.expects(scenarios.ExpectGap) && e.namesOwn() },
		(*evidence).call},
	{"enforced", Enforced, "expected denied, denied, and the kernel names the probe's reason at its call site",
		func(e *evidence) bool { return e.namesOwn() && e.arrived() && !e.expects(scenarios.ExpectGap) },
		(*evidence).call},
	{"shadowed", Shadowed, "expected denied, and denied by a reason that is checked before the probe's own",
		func(e *evidence) bool { return e.shadow() != nil },
		func(e *evidence) string {
			return fmt.Sprintf("%s by %s: %s", e.call(), e.shadow().Reason, e.shadow().Why)
		}},
	{"unattributed", Unattributed, "expected denied, and denied, but the kernel names no reason, or names it at another call site",
		func(*evidence) bool { return true },
		func(e *evidence) string {
			why := (*evidence).callAndEvidence(e)
			if e.namesOwn() && !e.arrived() {
				why += fmt.Sprintf(", not at %s, the probe's call site", e.row.Site)
				if len(e.calls) == 0 {
					why += "; the kernel's call sites are not known (--sites)"
				}
			}
			return why
		}},
}

// judge gives the verdict of the first rule that matches.
func judge(e evidence) Judgment { return judgeBy(rules, e) }

func judgeBy(rules []rule, e evidence) Judgment {
	for _, r := range rules {
		if r.when(&e) {
			return Judgment{Verdict: r.verdict, Rule: r.name, Why: r.why(&e)}
		}
	}
	return Judgment{Verdict: Unproven, Why: "no rule decides this"}
}

// A Rule is a line of the verdict table, for printing.
type Rule struct {
	Name    string
	Verdict Verdict
	Text    string // when the rule decides
}

// Rules lists the verdict table: the first rule that matches decides.
func Rules() []Rule {
	list := make([]Rule, len(rules))
	for i, r := range rules {
		list[i] = Rule{r.name, r.verdict, r.text}
	}
	return list
}

// JudgeProbe judges a guest's observation of a probe, against a guest of the
// same kernel in which nothing was locked; nil if there is none. r is nil if
// the guest has no result.
func JudgeProbe(probe string, g Guest, r, control *Result, k Kernel) Cell {
	e := evidence{guest: g, config: k.Config, calls: k.Calls, asks: k.Asks, has: k.Reasons, image: k.Origin.ready(), notRun: r == nil}
	row, known := scenarios.Find(probe)
	e.row, e.unknown = row.Of(scenarios.Kernel{Version: k.version(r), Config: k.Config, Calls: k.functions()}), !known
	if r != nil {
		e.end = r.End
		e.twice = r.reported(probe, "the guest")
		var m *MachineRun
		if e.observed, m = r.observation(probe); m != nil {
			e.boot = m.State(guestproto.WhenBoot)
			e.notLocked = m.notLocked(g, k.Reasons, probe)
			e.nothingDenied = nothingDenied(k, r)
		}
		if control != nil && !control.End.Failed() && control.Host.Same(r.Host) && control.Origin.Same(r.Origin) {
			e.control, _ = control.observation(probe)
			e.twice = cmp.Or(e.twice, control.reported(probe, "the guest with nothing locked"))
		}
	}
	return Cell{Judgment: judge(e), Observed: e.observed, AtSite: e.deniedAtSite()}
}
