package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix/rows"
	"github.com/ldlab/ldlab/scenarios"
)

// evidence is everything that one verdict depends on.
type evidence struct {
	row      scenarios.Row
	unknown  bool // this lab has no such row
	guest    Guest
	config   Config                     // the CONFIG symbols that rows depend on; nil: not known
	calls    map[string]string          // file:function of the source by the kernel's name of a call site
	has      lockdown.KernelReasons     // the kernel's; nil: not known
	asks     map[string]lockdown.Reason // what the source asks for at a call site, by the kernel's name of the site; empty: not known
	image    bool                       // the kernel is a ready image, which the lab did not build
	notRun   bool                       // the guest has no result
	end      End                        // how the guest ended
	observed *scenarios.Observation     // nil: the guest did not report it
	control  *scenarios.Observation     // same probe, kernel and host, nothing locked; nil: there is none
	twice    string                     // how often the probe was reported, if more than once; empty: once or never
	boot     *scenarios.State           // what the kernel showed before anything was locked at run time; nil: nothing

	notLocked     string // how lockdown's files differed from the setting while the probe ran; empty if they did not
	nothingDenied string // that the guest denied nothing at all; see nothingDenied
}

// outcome is empty without an observation.
func (e *evidence) outcome() scenarios.Outcome {
	if e.observed == nil {
		return ""
	}
	return e.observed.Outcome
}

func (e *evidence) allowed() bool { return e.outcome() == scenarios.Allowed && !e.deniedLater() }
func (e *evidence) denied() bool  { return e.outcome() == scenarios.Denied || e.deniedLater() }
func (e *evidence) absent() bool  { return e.outcome() == scenarios.Unavailable }

// deniedLater reports whether the kernel names the probe's reason for an act that
// may look as if it were allowed: see scenarios.ThenDeniedLater.
func (e *evidence) deniedLater() bool {
	return e.row.DeniedLater && (e.outcome() == scenarios.Allowed || e.outcome() == scenarios.Denied) && slices.Contains(e.named(), e.row.Reason)
}

// lockedBefore describes the level that the kernel showed when the guest began, if the
// setting does not lock it by then, and if that level may deny the act; empty if there is
// none. The kernel's configuration, or an argument that the user added, locked it: such a
// guest is no control, and nothing is wrong with its denial. That the file shows the level
// is judged by the probes of that file.
func (e *evidence) lockedBefore() string {
	if e.boot == nil {
		return ""
	}
	asked := e.guest.Setting.Level
	if via := e.guest.Setting.Via; via != lockdown.Boot && via != lockdown.Kernel {
		asked = lockdown.None
	}
	for _, level := range []lockdown.Level{lockdown.Integrity, lockdown.Confidentiality} {
		if level > asked && strings.Contains(e.boot.Level, "["+level.String()+"]") && len(e.row.Refusing(lockdown.Setting{Level: level})) > 0 {
			return fmt.Sprintf("the kernel was locked before: %s read %q when the guest began", lockdown.LevelFile, strings.TrimSpace(e.boot.Level))
		}
	}
	return ""
}

func (e *evidence) expects(o scenarios.ExpectedOutcome) bool {
	return e.row.Expected(e.guest.Setting) == o
}

// call is the decisive call as strace prints it.
func (e *evidence) call() string {
	if e.observed == nil {
		return "no call"
	}
	return e.observed.Call
}

func (e *evidence) callAndEvidence() string { return e.call() + "; " + e.evidence() }

// unproven describes an observation that proves nothing.
func (e *evidence) unproven() string {
	if e.observed == nil {
		return "no observation"
	}
	return e.orUnexplained(describe(e.observed))
}

// orUnexplained returns the text, or, if the target is absent, why that absence
// is not accepted.
func (e *evidence) orUnexplained(text string) string {
	if e.absent() {
		return describe(e.observed) + ": " + e.unexplained()
	}
	return text
}

// checks are the kernel's counts of this run of the probe, or, if the check is
// made at boot, of the boot.
func (e *evidence) checks() []scenarios.Check {
	switch {
	case e.row.CheckedAtBoot && e.boot != nil:
		return e.boot.Checks
	case e.observed == nil:
		return nil
	}
	return e.observed.Checks
}

// askedOther finds a check for another reason than the one that the source of
// its call site asks for; nil if there is none.
func (e *evidence) askedOther() *scenarios.Check {
	for _, k := range e.checks() {
		if info, ok := lockdown.Info(e.asks[k.Site]); ok && info.Label != k.Label {
			return &k
		}
	}
	return nil
}

// notLogged finds a counted denial of this run without its line in the log,
// which is all that users have: lockdown_is_locked_down() prints one for each
// (security/lockdown/lockdown.c, v6.12). It is nil if there is none, or if the
// log is not whole.
func (e *evidence) notLogged() *scenarios.Check {
	if e.observed == nil || e.boot == nil || !e.boot.Counts {
		return nil
	}
	return rows.NotLogged(e.observed)
}

// atSite lists the checks of the probe's own reason at its own call site.
func (e *evidence) atSite() (own []scenarios.Check) {
	info, _ := lockdown.Info(e.row.Reason)
	for _, k := range e.checks() {
		if call := e.calls[k.Site]; call != "" && call == e.row.Site && k.Label == info.Label {
			own = append(own, k)
		}
	}
	return own
}

// deniedAtSite reports whether the kernel counted a denial at the call site that
// the probe names.
func (e *evidence) deniedAtSite() bool {
	return slices.ContainsFunc(e.atSite(), func(k scenarios.Check) bool { return k.Denials > 0 })
}

// arrived reports whether the denial is from the probe's own call site, because
// other calls on the same path may check the same reason. Without counters, or
// if the object was never created, this cannot be decided, and arrived returns
// true. A kernel that counts must have counted the denial at that site: one at
// a site that cannot be named is not enough.
func (e *evidence) arrived() bool {
	hidden := !e.row.CheckedAtBoot && e.row.DeniedAtBoot(e.guest.Setting) || e.row.Expect != scenarios.Checked
	// If the setting holds before Setup runs, Setup is denied before the act
	// reaches the site.
	early := e.row.Setup != nil && e.guest.Setting.Via != lockdown.Runtime
	counts := e.boot != nil && e.boot.Counts
	return hidden || early || !counts || e.row.Site == "" || e.deniedAtSite()
}

// letThrough finds a check at the probe's own call site that was not denied
// although its reason is locked: another call may then have denied the act.
// Checks made before locking are counted under the same comm, so probes with
// Setup are skipped.
func (e *evidence) letThrough() *scenarios.Check {
	info, ok := lockdown.Info(e.row.Reason)
	if e.row.Setup != nil || !ok || !e.guest.Setting.Locks(e.row.Reason) {
		return nil
	}
	for _, k := range e.atSite() {
		if k.Label == info.Label && k.Denials < k.Checks {
			return &k
		}
	}
	return nil
}

// refusedUnlocked describes a counted denial for a reason that is not locked:
// in this run of the probe, or, if the check is made at boot, of the probe's
// own reason by the kernel's boot task.
func (e *evidence) refusedUnlocked() string {
	checks := e.checks()
	if e.row.CheckedAtBoot && e.boot != nil {
		own, _ := lockdown.Info(e.row.Reason)
		checks = slices.DeleteFunc(slices.Clone(checks), func(k scenarios.Check) bool { return !kernelTask(k.Comm) || k.Label != own.Label })
	}
	for _, k := range checks {
		for _, info := range e.has.List() {
			if k.Denials > 0 && k.Label == info.Label && !e.has.Locks(e.guest.Setting, info.Reason) {
				return fmt.Sprintf("the kernel counted a denial of %q at %s: %s is not locked", k.Label, k.Site, info.Reason)
			}
		}
	}
	return ""
}

// named lists the reasons to which the kernel itself attributes the denial of
// this run, in the kernel's order.
func (e *evidence) named() (rs []lockdown.Reason) {
	ds := e.denials()
	for _, info := range e.has.List() {
		if slices.ContainsFunc(ds, func(d denial) bool { return d.label == info.Label }) {
			rs = append(rs, info.Reason)
		}
	}
	return rs
}

// namedUnlocked is the first named reason that is not locked; empty if there is
// none.
func (e *evidence) namedUnlocked() lockdown.Reason {
	for _, r := range e.named() {
		if !e.has.Locks(e.guest.Setting, r) {
			return r
		}
	}
	return ""
}

// namesOwn reports whether the kernel names the probe's own reason. If a reason
// that shadows a gap denied the act, a later check of the gap's own reason on
// the error path does not count.
func (e *evidence) namesOwn() bool {
	return slices.Contains(e.named(), e.row.Reason) && !(e.row.Expect == scenarios.Gap && e.shadow() != nil)
}

// shadow finds the shadow of the probe among the named reasons; nil if there is
// none.
func (e *evidence) shadow() *scenarios.Shadow {
	for _, r := range e.named() {
		for i := range e.row.ShadowedBy {
			if s := &e.row.ShadowedBy[i]; s.Reason == r {
				return s
			}
		}
	}
	return nil
}

// lacks describes the reason of the setting or of the probe that the kernel does not
// have; empty if it has them, or they are not known.
func (e *evidence) lacks() string {
	if beyond := e.has.Beyond(e.guest.Setting); len(beyond) > 0 {
		return fmt.Sprintf("setting %s: the kernel has no reason %s", e.guest.Setting, beyond[0])
	}
	if (e.row.Expect == scenarios.Checked || e.row.Expect == scenarios.Gap) && e.row.Reason != "" && !e.has.Has(e.row.Reason) {
		return fmt.Sprintf("the kernel has no reason %s", e.row.Reason)
	}
	return ""
}

// refusing names the locked reasons that are expected to deny the probe.
func (e *evidence) refusing() string {
	var words []string
	for _, r := range e.row.Refusing(e.guest.Setting) {
		words = append(words, string(r))
	}
	return strings.Join(words, " and ")
}

// A denial is a denial that the kernel itself reports, with the report.
type denial struct{ label, text string }

// denials are those of this run of the probe, or of the boot if the setting
// denies the probe there. If the kernel counts checks, it counts every denial,
// and its log is not used.
func (e *evidence) denials() (ds []denial) {
	if e.observed == nil {
		return nil
	}
	checks, log := e.observed.Checks, e.observed.Log
	ours := func(comm string) bool { return comm == e.observed.Comm && comm != "" }
	if e.row.DeniedAtBoot(e.guest.Setting) {
		if e.boot == nil {
			return nil
		}
		checks, log, ours = e.boot.Checks, e.boot.Log, kernelTask
	}
	for _, k := range checks {
		if ours(k.Comm) && k.Denials > 0 {
			ds = append(ds, denial{k.Label, fmt.Sprintf("the kernel counted a denial of %q at %s", k.Label, k.Site)})
		}
	}
	if e.boot != nil && e.boot.Counts {
		return ds
	}
	for _, line := range log {
		// security/lockdown/lockdown.c:lockdown_is_locked_down, v6.12.
		_, text, ok := strings.Cut(line, "Lockdown: ")
		comm, rest, ok2 := cutComm(text, e.observed.Comm)
		label, _, ok3 := strings.Cut(rest, " is restricted")
		if ok && ok2 && ok3 && ours(comm) {
			ds = append(ds, denial{label, fmt.Sprintf("the kernel logged %q", line)})
		}
	}
	return ds
}

// kernelTask reports whether a comm is that of the kernel's own boot task:
// "swapper", and "swapper/0" once there are several (init/main.c, v6.12).
func kernelTask(comm string) bool { return comm == "swapper" || strings.HasPrefix(comm, "swapper/") }

// cutComm takes the comm from the head of a denial line: the probe's own, or
// one without a colon.
func cutComm(text, own string) (comm, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(text, own+": "); ok {
		return own, rest, true
	}
	return strings.Cut(text, ": ")
}

// evidence describes what the kernel reported of this run.
func (e *evidence) evidence() string {
	ds := e.denials()
	switch {
	case len(ds) > 0:
		return ds[0].text
	case e.observed != nil && len(e.observed.Log) > 0:
		return fmt.Sprintf("the kernel logged %q", e.observed.Log[0])
	case e.boot != nil && e.boot.Counts:
		return "the kernel counted no denial"
	}
	return "the kernel logged no reason"
}

func describe(o *scenarios.Observation) string {
	s := fmt.Sprintf("%s: %s", o.Outcome, o.Call)
	if o.Call == "" { // the act was not reached: its child did not start, or died
		return fmt.Sprintf("%s: %s", o.Outcome, o.Why)
	}
	if o.Why != "" {
		s += " (" + o.Why + ")"
	}
	if o.Effect == scenarios.Nothing {
		s += ", but nothing happened: " + o.Look
	}
	return s
}

// abi reports whether the probe tests lockdown's own files, whose answers are
// compared with the model. Mainline's level file is an ABI of every kernel.
func (e *evidence) abi() bool { return e.row.Expect == scenarios.ABI }

// reaching lists the variants that reach the object of the act with nothing
// locked and must therefore be denied here; none if the probe's own reason is
// not locked.
func (e *evidence) reaching() (list []scenarios.Variant) {
	if e.control == nil || e.observed == nil || e.guest.ActsOnly || !e.row.Varies(e.guest.Setting) || !e.guest.Setting.Locks(e.row.Reason) || e.row.DeniedLater {
		return nil
	}
	for _, v := range e.control.Variants {
		if v.Outcome == scenarios.Allowed && v.Effect != scenarios.Nothing {
			list = append(list, v)
		}
	}
	return list
}

// leakingVariant is the first variant that must be denied and was allowed, or
// that was denied and happened all the same; nil if there is none.
func (e *evidence) leakingVariant() *scenarios.Variant {
	for _, v := range e.reaching() {
		got := scenarios.FindVariant(e.observed.Variants, v.Args)
		if got != nil && (got.Outcome == scenarios.Allowed && got.Effect != scenarios.Nothing || got.Effect == scenarios.Happened) {
			return got
		}
	}
	return nil
}

// openVariant describes the first variant that must be denied and of which
// neither is known; empty if there is none.
func (e *evidence) openVariant() string {
	for _, v := range e.reaching() {
		switch got := scenarios.FindVariant(e.observed.Variants, v.Args); {
		case got == nil:
			text := "the variant " + v.Args + " did not run"
			if len(e.observed.Variants) > 0 && e.observed.Variants[0].Outcome == scenarios.Failed {
				text += ": " + e.observed.Variants[0].Why
			}
			return text
		case got.Outcome != scenarios.Denied:
			return fmt.Sprintf("%s: %s", v.Args, describeVariant(got))
		case got.Effect == "" && v.Effect != "":
			return v.Args + ": whether it happened was not looked at"
		}
	}
	return ""
}

// describeVariant is the outcome of a variant, with what was looked at.
func describeVariant(v *scenarios.Variant) string {
	text := fmt.Sprintf("%s: %s", v.Outcome, v.Call)
	if v.Why != "" {
		text += " (" + v.Why + ")"
	}
	if v.Look != "" {
		text += "; " + v.Look
	}
	return text
}

// answers are the operations with the answers of lockdown's files, in order.
func (e *evidence) answers() []lockdown.Op {
	if e.outcome() != scenarios.Answered {
		return nil
	}
	return e.observed.Ops
}

// deviation is the first answer that differs from the model's; empty if there
// is none.
func (e *evidence) deviation() string {
	face := e.guest.Interface
	if face == lockdown.BitmapV1 {
		face = lockdown.Upstream // bitmap-v1 must not change mainline's file
	}
	model := e.has.NewModel(face, e.guest.Setting)
	for i, got := range e.answers() {
		if want := model.Answer(got); want != got {
			return fmt.Sprintf("operation %d of %d: %s, want %s", i+1, len(e.answers()), got, want.Returned())
		}
	}
	return ""
}
