package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Evidence is what one verdict hangs on.
type Evidence struct {
	Row      scenarios.Row
	Guest    Guest
	Config   map[string]bool        // nil: unknown
	Control  *scenarios.Observation // same probe, kernel and machine, nothing locked; nil: there is none
	Observed *scenarios.Observation // nil: the guest never reported it
	End      End                    // how its guest ended
	Calls    map[string]string      // file:function of the source by the kernel's name of a call site
	Boot     *scenarios.State       // what this guest's kernel said before anything was locked at run time; nil: nothing
}

// Judge is the verdict table of the lab, and nothing else is.
func Judge(c Evidence) Judgment {
	if !c.Row.On(c.Guest.Arch) {
		return Judgment{Unavailable, strings.Join(c.Row.Only, " and ") + " only"}
	}
	o := c.Observed
	if o == nil {
		why := "no observation"
		if !c.End.Well() {
			why = c.End.String()
		}
		return Judgment{Lost, why}
	}
	if o.Outcome == scenarios.Unavailable {
		return judgeAbsence(c)
	}
	if c.Row.Expect == scenarios.ABI {
		return judgeAnswers(c)
	}
	owed := c.Row.Expected(c.Guest.Setting)
	named := c.named()
	if owed == scenarios.ExpectAllowed && o.Outcome == scenarios.Denied && len(named) > 0 {
		// Lockdown itself says that it refused: no control is needed to know
		// that the lock, and nothing else, said no.
		return Judgment{Overblocked, o.Call + "; " + c.evidence()}
	}
	if why := c.refusedUnlocked(); why != "" {
		// Whatever became of the act: it may have gone on another way, or
		// failed in a way that no denial has.
		return Judgment{Overblocked, o.Call + "; " + why}
	}
	switch {
	case c.Control == nil:
		return Judgment{Unproven, "no control: the probe did not run with nothing locked"}
	case o.Outcome == scenarios.Denied && c.compiledOut():
		// Something on the way to it was refused; there is nothing behind that.
		return Judgment{Unavailable, c.Control.Why}
	case c.Control.Outcome != scenarios.Allowed:
		return Judgment{Unproven, fmt.Sprintf("control, nothing locked: %s", describe(c.Control))}
	case owed == scenarios.ExpectDenied && c.letThrough() != nil:
		k := c.letThrough()
		return Judgment{Leak, fmt.Sprintf("%s, but not by %s: it asked for %q, and was not refused", o.Call, k.Site, k.Label)}
	case o.Outcome != scenarios.Denied && o.Outcome != scenarios.Allowed:
		return Judgment{Unproven, describe(o)}
	}
	denied := o.Outcome == scenarios.Denied
	switch {
	case owed == scenarios.ExpectAllowed && denied:
		return Judgment{Overblocked, o.Call + "; " + c.evidence()}
	case owed == scenarios.ExpectAllowed:
		return Judgment{Open, o.Call}
	case owed == scenarios.ExpectGap && !denied:
		return Judgment{OpenGap, o.Call + " though " + string(c.Row.Reason) + " is locked: " + c.Row.Source}
	case !denied:
		return Judgment{Leak, o.Call + " though " + c.refusing() + " is locked"}
	}
	// Denied as owed. Whoever is named must be locked, and be one of those
	// that may refuse this act.
	verdict, why := Unattributed, o.Call+"; "+c.evidence()
	for _, r := range named {
		switch {
		case !c.Guest.Setting.Locks(r):
			return Judgment{Overblocked, fmt.Sprintf("%s; %s: %s is not locked", o.Call, c.evidence(), r)}
		case r == c.Row.Reason && c.Row.Expect == scenarios.Gap && c.shadowAmong(named) != nil:
			// Who masks a gap refused it. That its own reason was asked for,
			// too, on the way back from the door, closes no gap.
		case r == c.Row.Reason && owed == scenarios.ExpectGap:
			verdict, why = GapClosed, o.Call
		case r == c.Row.Reason && !c.arrived():
			why = fmt.Sprintf("%s; %s, not at %s, which the probe is for", o.Call, c.evidence(), c.Row.Site)
		case r == c.Row.Reason:
			return Judgment{Enforced, o.Call}
		case verdict == Unattributed:
			if m := c.shadowAmong([]lockdown.Reason{r}); m != nil {
				verdict, why = Shadowed, fmt.Sprintf("%s by %s: %s", o.Call, r, m.Why)
			}
		}
	}
	return Judgment{verdict, why}
}

// shadowAmong finds the first of the probe's masks whose reason is among those;
// nil: none is.
func (c Evidence) shadowAmong(named []lockdown.Reason) *scenarios.Shadow {
	for i, m := range c.Row.ShadowedBy {
		if slices.Contains(named, m.Reason) {
			return &c.Row.ShadowedBy[i]
		}
	}
	return nil
}

// refusing names the locked reasons that should have refused the probe.
func (c Evidence) refusing() string {
	var words []string
	for _, r := range c.Row.Refusing(c.Guest.Setting) {
		words = append(words, string(r))
	}
	return strings.Join(words, " and ")
}

// asked lists the checks that this run of the probe, or the boot where that is
// when it is denied, made at the probe's own call site.
func (c Evidence) asked() (cs []scenarios.Check) {
	checks := c.Observed.Checks
	if c.Row.CheckedAtBoot && c.Boot != nil {
		checks = c.Boot.Checks
	}
	for _, k := range checks {
		if c.Row.Site != "" && c.Calls[k.Site] == c.Row.Site {
			cs = append(cs, k)
		}
	}
	return cs
}

// arrived reports whether a denial is that of the probe's own call site: other
// calls on the same way may ask for the same reason. Where the kernel does not
// count, or the object was never made, it cannot be told, and is not asked.
func (c Evidence) arrived() bool {
	hidden := !c.Row.CheckedAtBoot && c.Row.DeniedAtBoot(c.Guest.Setting) || c.Row.Expect != scenarios.Checked
	// What comes before a lock is refused where the lock is older, and the site
	// is behind that.
	older := c.Row.Setup != nil && c.Guest.Setting.Via != lockdown.Runtime
	traced := slices.ContainsFunc(c.Observed.Checks, func(k scenarios.Check) bool { return c.Calls[k.Site] != "" })
	if c.Row.CheckedAtBoot && c.Boot != nil {
		traced = slices.ContainsFunc(c.Boot.Checks, func(k scenarios.Check) bool { return c.Calls[k.Site] != "" })
	}
	return hidden || older || !traced || len(c.asked()) > 0
}

// letThrough finds a check at the probe's own call site that was not refused
// though its reason is locked: another call may have refused the act then.
// What was asked before the lock is counted under the same name, so probes
// that begin before it tell nothing here.
func (c Evidence) letThrough() *scenarios.Check {
	if c.Row.Setup != nil {
		return nil
	}
	for _, k := range c.asked() {
		if info, ok := lockdown.Info(c.Row.Reason); ok && c.Guest.Setting.Locks(c.Row.Reason) && k.Label == info.Label && k.Denials < k.Checks {
			return &k
		}
	}
	return nil
}

// refusedUnlocked says that the kernel refused this run of the probe for a
// reason that is not locked, or at boot anything for the probe's own.
func (c Evidence) refusedUnlocked() string {
	checks := c.Observed.Checks
	if c.Row.CheckedAtBoot && c.Boot != nil {
		own, _ := lockdown.Info(c.Row.Reason)
		checks = nil
		for _, k := range c.Boot.Checks {
			if kernelTask(k.Comm) && k.Label == own.Label {
				checks = append(checks, k)
			}
		}
	}
	for _, k := range checks {
		for _, info := range lockdown.Reasons() {
			if k.Denials > 0 && k.Label == info.Label && !c.Guest.Setting.Locks(info.Reason) {
				return fmt.Sprintf("the kernel counted a denial of %q at %s: %s is not locked", k.Label, k.Site, info.Reason)
			}
		}
	}
	return ""
}

// named lists the reasons for which the kernel itself says that it refused
// this run of the probe. A kernel that counts its checks says it there, with
// nothing held back, and is not asked twice; another says it in its log.
func (c Evidence) named() (rs []lockdown.Reason) {
	for _, info := range lockdown.Reasons() {
		if slices.ContainsFunc(c.denials(), func(d denial) bool { return d.label == info.Label }) {
			rs = append(rs, info.Reason)
		}
	}
	return rs
}

// A denial is the kernel's word that it refused something.
type denial struct{ label, text string }

// denials are those of this run of the probe; of the boot, where that is when
// the probe is denied.
func (c Evidence) denials() (ds []denial) {
	checks, log := c.Observed.Checks, c.Observed.Log
	ours := func(comm string) bool { return comm == c.Observed.Comm && comm != "" }
	if c.Row.DeniedAtBoot(c.Guest.Setting) {
		if c.Boot == nil {
			return nil
		}
		checks, log = c.Boot.Checks, c.Boot.Log
		// "swapper" until there are several, "swapper/0" then: init/main.c, v6.12.
		ours = kernelTask
	}
	for _, k := range checks {
		if ours(k.Comm) && k.Denials > 0 {
			ds = append(ds, denial{k.Label, fmt.Sprintf("the kernel counted a denial of %q at %s", k.Label, k.Site)})
		}
	}
	if c.Boot != nil && c.Boot.Counts {
		return ds
	}
	for _, line := range log {
		// security/lockdown/lockdown.c:lockdown_is_locked_down, v6.12.
		_, text, ok := strings.Cut(line, "Lockdown: ")
		comm, rest, ok2 := cutComm(text, c.Observed.Comm)
		label, _, ok3 := strings.Cut(rest, " is restricted")
		if ok && ok2 && ok3 && ours(comm) {
			ds = append(ds, denial{label, fmt.Sprintf("the kernel logged %q", line)})
		}
	}
	return ds
}

// cutComm takes the comm from the head of a denial line: the probe's own, or
// one without a colon.
func cutComm(text, own string) (comm, rest string, ok bool) {
	if rest, ok := strings.CutPrefix(text, own+": "); ok {
		return own, rest, true
	}
	return strings.Cut(text, ": ")
}

// evidence is what the kernel said of this run, in words.
func (c Evidence) evidence() string {
	ds := c.denials()
	switch {
	case len(ds) > 0:
		return ds[0].text
	case len(c.Observed.Log) > 0:
		return fmt.Sprintf("the kernel logged %q", c.Observed.Log[0])
	case c.Boot != nil && c.Boot.Counts:
		return "the kernel counted no denial"
	}
	return "the kernel logged no reason"
}

func describe(o *scenarios.Observation) string {
	s := fmt.Sprintf("%s: %s", o.Outcome, o.Call)
	if o.Why != "" {
		s += " (" + o.Why + ")"
	}
	return s
}

// judgeAbsence takes "there is no such thing here" for true only where it does
// not contradict the kernel's own configuration, or what the control saw.
func judgeAbsence(c Evidence) Judgment {
	o := c.Observed
	if strings.HasPrefix(o.Why, "CONFIG_") && c.Config[o.Why] {
		return Judgment{Unproven, fmt.Sprintf("%s says that %s is off, but it is on", o.Call, o.Why)}
	}
	if c.Control != nil && c.Control.Outcome != scenarios.Unavailable {
		return Judgment{Unproven, fmt.Sprintf("%s, but it is there with nothing locked: %s", o.Call, describe(c.Control))}
	}
	return Judgment{Unavailable, o.Why}
}

// compiledOut reports whether the control said that the kernel was built
// without the probe's target, and the kernel's configuration agrees.
func (c Evidence) compiledOut() bool {
	return c.Control.Outcome == scenarios.Unavailable && strings.HasPrefix(c.Control.Why, "CONFIG_") &&
		c.Config != nil && !c.Config[c.Control.Why]
}

// judgeAnswers compares a script's answers with the model, step by step. The
// level file's answers are an ABI: every kernel owes mainline's.
func judgeAnswers(c Evidence) Judgment {
	if c.Observed.Outcome != scenarios.Answered || len(c.Observed.Ops) == 0 {
		return Judgment{Unproven, describe(c.Observed)}
	}
	kind := c.Guest.Interface
	if kind == lockdown.BitmapV1 {
		kind = lockdown.Upstream
	}
	model := lockdown.NewModel(kind, c.Guest.Setting)
	for i, got := range c.Observed.Ops {
		want := model.Answer(got)
		if want != got {
			return Judgment{Deviates, fmt.Sprintf("step %d of %d: %s, want %s", i+1, len(c.Observed.Ops), got, answer(want))}
		}
	}
	return Judgment{Conforms, fmt.Sprintf("%d of %d answers are the model's", len(c.Observed.Ops), len(c.Observed.Ops))}
}

// answer is what a step came back with.
func answer(s lockdown.Op) string {
	switch {
	case s.Err != "":
		return s.Err
	case s.Call == "read":
		return fmt.Sprintf("%q", s.Data)
	}
	return fmt.Sprint(len(s.Data))
}
