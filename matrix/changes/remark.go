package changes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/scenarios"
)

// A Remark is one thing that a review found, as a maintainer would say it.
type Remark struct {
	Key    string   // the same in the reviews of two versions of a series
	Grave  bool     // something is less enforced, does not build or boot, or answers otherwise
	Text   string   // a sentence
	Detail []string `json:",omitempty"` // lines that show it
	Arches []string `json:",omitempty"`
	Patch  int      // index of the patch that it is about; -1: not known
	Hunk   int      // index of the hunk in that patch; -1: none
}

// Remarks lists what a review found, the gravest first. The same remark of two
// architectures is one.
func (r *Review) Remarks() (list []Remark) {
	for i, p := range r.Patches {
		list = append(list, p.remarks(i)...)
	}
	if r.Broken != "" {
		list = append(list, Remark{Key: "broken", Grave: true, Text: r.Broken, Patch: -1, Hunk: -1})
	}
	list = append(list, r.kunit()...)
	if c := r.Prototype; c != nil {
		at, hunk := r.hunkOf("include/linux/security.h", "security_locked_down")
		m := Remark{Key: "prototype", Grave: true, Text: "the prototype of security_locked_down() changes: every caller, and every LSM with the hook, must follow", Detail: []string{"- " + c.Before, "+ " + c.Now}, Patch: at, Hunk: hunk}
		if c.Now == "" {
			m.Text = "security_locked_down() is not declared any more: the call sites, which are found by that name, are not compared, and acts alone show what is checked"
			m.Detail = m.Detail[:1]
		}
		list = append(list, m)
	}
	for _, a := range r.Arches {
		for _, m := range r.ofArch(a) {
			i := slices.IndexFunc(list, m.same)
			if i < 0 {
				list = append(list, m)
				i = len(list) - 1
			}
			if !slices.Contains(list[i].Arches, a.Arch) {
				list[i].Arches = append(list[i].Arches, a.Arch)
			}
		}
	}
	slices.SortStableFunc(list, func(x, y Remark) int {
		return cmp.Compare(boolToInt(y.Grave), boolToInt(x.Grave))
	})
	return list
}

// same reports whether two remarks are one: the same thing, equally grave, in the same
// settings.
func (m Remark) same(o Remark) bool { return m.Key == o.Key && m.Grave == o.Grave && m.Text == o.Text }

// Grave reports whether a remark is one for which a maintainer would refuse a series.
func (r *Review) Grave() bool {
	return slices.ContainsFunc(r.Remarks(), func(m Remark) bool { return m.Grave })
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// kunit are the remarks about the suites that the series adds.
func (r *Review) kunit() (list []Remark) {
	for _, k := range r.KUnit {
		at := -1
		for i, p := range r.Patches {
			if slices.ContainsFunc(p.Files, func(f string) bool { return strings.Contains(f, "test") || strings.Contains(f, "kunit") }) {
				at = i
			}
		}
		bad := ktap.Bad(k.Tests)
		n := ktap.Count(k.Tests)
		m := Remark{Key: "kunit " + k.When + " " + strings.Join(bad, "; "), Arches: []string{k.Arch}, Patch: at, Hunk: -1, Detail: bad}
		switch {
		case k.Lost != "":
			m.Grave, m.Text, m.Detail = true, "a guest did not survive the suites", []string{k.Lost}
		case k.Refused:
			m.Grave, m.Text = true, "the suites cannot be started, because they left lockdown on: the machine that ran them stays locked until it boots"
		case len(k.Tests) == 0:
			m.Grave, m.Text = true, "there are no results"
		case len(bad) > 0:
			// A suite may need a kernel on which nothing is locked.
			m.Grave, m.Text = !k.Locked, fmt.Sprintf("%d of %d cases passed", n[ktap.Passed], n[ktap.Passed]+n[ktap.Failed]+n[ktap.Truncated]+n[ktap.Skipped])
		default:
			m.Text = fmt.Sprintf("all %d cases passed, %d were skipped", n[ktap.Passed], n[ktap.Skipped])
		}
		m.Text = "KUnit, " + k.When + ": " + m.Text
		list = append(list, m)
	}
	return list
}

// remarks are those about a patch itself.
func (p Patch) remarks(at int) (list []Remark) {
	add := func(key string, grave bool, text string, detail []string) {
		list = append(list, Remark{Key: key + " " + p.Title, Grave: grave, Text: text, Detail: detail, Patch: at, Hunk: -1})
	}
	if len(p.Build) > 0 {
		add("build", true, "the source does not build after this patch: git bisect stops here", p.Build)
	}
	if len(p.Warnings) > 0 {
		add("warnings", false, "the compiler warns of it (W=1)", p.Warnings)
	}
	if len(p.Fuzz) > 0 {
		add("fuzz", false, "it applies with fuzz only: the lines around the change are others", p.Fuzz)
	}
	if len(p.Checkpatch) > 0 {
		add("checkpatch", false, "checkpatch.pl --strict reports", p.Checkpatch)
	}
	if len(p.NotCompiled) > 0 {
		add("not compiled", false, "no object of the lab's kernels comes from "+strings.Join(p.NotCompiled, ", "), nil)
	}
	return list
}

// ofArch are the remarks about what the kernels showed.
func (r *Review) ofArch(a Arch) (list []Remark) {
	add := func(key string, grave bool, where [2]int, text string, detail ...string) {
		list = append(list, Remark{Key: key, Grave: grave, Text: text, Detail: detail, Patch: where[0], Hunk: where[1]})
	}
	nowhere := [2]int{-1, -1}
	for _, text := range a.Boots {
		add("boot "+text, true, nowhere, "a guest of the kernel with the series did not end well", text)
	}
	for _, text := range a.Splats {
		add("splat "+text, true, nowhere, "the kernel reports a bug of its own", text)
	}
	for _, c := range slices.Concat(a.Diff.Changes, a.New) {
		grave := r.grave(c)
		text := fmt.Sprintf("%s: %s, before %s", c.Probe, c.Now, c.Before)
		if c.Before == matrix.NotPlanned {
			text = fmt.Sprintf("%s: %s, in a setting that the base does not have", c.Probe, c.Now)
		}
		detail := []string{"in " + few(c.Settings)}
		if c.Why != "" {
			detail = append(detail, c.Why)
		}
		if e := a.patchOf(c); e != "" {
			detail = append(detail, "since "+e)
		}
		add(fmt.Sprintf("cell %s %s in %s", c.Probe, c.Now, strings.Join(c.Settings, ", ")), grave, r.hunkOfProbe(c.Probe), text, detail...)
	}
	for _, c := range a.Diff.Calls {
		where := r.hunkOfCall(c.Call)
		switch {
		case c.From != "":
			add("call "+c.Call, false, where, fmt.Sprintf("the check of %s moved from %s to %s", c.Reason, c.From, c.Call))
		case c.Now < c.Before:
			add("call "+c.Call, true, where, fmt.Sprintf("%s checks %s at %d call sites, before at %d", c.Call, c.Reason, c.Now, c.Before))
		default:
			add("call "+c.Call, false, where, fmt.Sprintf("%s checks %s at %d call sites, before at %d", c.Call, c.Reason, c.Now, c.Before))
		}
	}
	for _, s := range a.Reasons {
		at, hunk := r.hunkOf("include/linux/security.h", strings.ToUpper(string(s.Reason)))
		add("reason "+string(s.Reason), s.Grave, [2]int{at, hunk}, s.Text)
	}
	for _, u := range a.Unchecked {
		add(fmt.Sprintf("unchecked %s %s in %s", u.Probe, u.Reason, strings.Join(u.Settings, ", ")), u.Now == 0, r.hunkOfProbe(u.Probe),
			fmt.Sprintf("%s: the kernel checks %s %d times, before %d times", u.Probe, u.Reason, u.Now, u.Before), "in "+few(u.Settings))
	}
	for _, c := range a.Callers {
		what := "is no way to the check of %s any more"
		if c.Came {
			what = "is a new way to the check of %s"
		}
		add("caller "+c.Site+" "+c.Name, !c.Came, r.hunkOfCall(c.Site), c.Name+" "+fmt.Sprintf(what, c.Site))
	}
	return append(list, r.answers(a)...)
}

// few names a few settings and counts the rest.
func few(settings []string) string {
	const most = 6
	if n := len(settings) - most; n > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(settings[:most], ", "), n)
	}
	return strings.Join(settings, ", ")
}

// answers is one remark for each file of lockdown's that answers otherwise.
func (r *Review) answers(a Arch) (list []Remark) {
	at, hunk := r.hunkOf("security/lockdown/lockdown.c", "")
	byProbe := map[string]int{}
	for _, c := range a.Answers {
		i, ok := byProbe[c.Probe]
		if !ok {
			list = append(list, Remark{Key: "answers " + c.Probe, Grave: true, Patch: at, Hunk: hunk,
				Text: fmt.Sprintf("%s: lockdown's files answer otherwise; that is an ABI", c.Probe)})
			i = len(list) - 1
			byProbe[c.Probe] = i
		}
		answer := fmt.Sprintf("%s: %s, before %s", c.Op, c.Now, c.Before)
		list[i].Key += "; " + answer + " in " + strings.Join(c.Settings, ", ")
		list[i].Detail = append(list[i].Detail, fmt.Sprintf("%s (%s)", answer, few(c.Settings)))
	}
	return list
}

// grave reports whether a change is one for the worse. A verdict that deviates only
// because the files have another interface is told with their answers, and is grave, too.
func (r *Review) grave(c diff.Change) bool {
	switch c.Kind {
	case diff.NewlyLeaking, diff.NewlyUnexpected, diff.NewlyLost, diff.GapOpened, diff.NewlyAllowed:
		return true
	}
	return false
}

// patchOf names the patches that changed the cells; empty if no run tried each patch.
func (a Arch) patchOf(c diff.Change) string {
	var names []string
	for _, e := range a.Each {
		if e.Probe == c.Probe && slices.Contains(c.Settings, e.Setting) && !slices.Contains(names, e.Patch) {
			names = append(names, e.Patch)
		}
	}
	return strings.Join(names, " and ")
}

// hunkOf finds a hunk of a file that has a text; -1, -1 if there is none.
func (r *Review) hunkOf(file, text string) (patch, hunk int) {
	for i, p := range r.Patches {
		for j, h := range p.Hunks {
			if h.File == file && (text == "" || strings.Contains(h.Head+"\n"+strings.Join(h.Lines, "\n"), text)) {
				return i, j
			}
		}
	}
	return -1, -1
}

// hunkOfCall finds the hunk that is about a call of security_locked_down(): in its
// function, or else one that adds or removes such a call in its file.
func (r *Review) hunkOfCall(call string) [2]int {
	file, function, _ := strings.Cut(call, ":")
	for _, text := range []string{function, "locked_down"} {
		if p, h := r.hunkOf(file, text); p >= 0 {
			return [2]int{p, h}
		}
	}
	return [2]int{-1, -1}
}

// hunkOfProbe finds the hunk that is about the call site of a probe.
func (r *Review) hunkOfProbe(probe string) [2]int {
	row, ok := scenarios.Find(probe)
	if !ok {
		return [2]int{-1, -1}
	}
	if row.Site != "" {
		if at := r.hunkOfCall(row.Site); at[0] >= 0 {
			return at
		}
	}
	p, h := r.hunkOf("security/lockdown/lockdown.c", "")
	return [2]int{p, h}
}
