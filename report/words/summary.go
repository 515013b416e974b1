package words

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// Short is a verdict in a cell: lower case if it is as expected.
var Short = map[matrix.Verdict]string{
	matrix.Enforced:     "deny",
	matrix.Shadowed:     "shad",
	matrix.Open:         "ok",
	matrix.OpenGap:      "gap",
	matrix.GapClosed:    "shut",
	matrix.Conforms:     "abi",
	matrix.Unavailable:  "-",
	matrix.Leak:         "LEAK",
	matrix.Overblocked:  "OVER",
	matrix.Deviates:     "DEV",
	matrix.NotLocked:    "NOTLK",
	matrix.Unattributed: "UNATT",
	matrix.Unproven:     "UNPRV",
	matrix.Lost:         "LOST",
	matrix.NotRun:       "...",
	matrix.NotPlanned:   ".",
	matrix.Known:        "KNOWN",
	matrix.Flaky:        "FLAKY",
}

// Machines describes the hosts that ran the guests, a line each. The reason for
// the accelerator is cut off if the line is too wide; the JSON has all of it.
func Machines(hosts []matrix.Host) string {
	var lines []string
	for _, h := range hosts {
		version, _, _ := strings.Cut(strings.TrimPrefix(h.QEMU, "QEMU emulator version "), " (")
		line := fmt.Sprintf("%s: QEMU %s", h.Arch, version)
		if h.CPU != "" {
			line += ", CPU " + h.CPU
		}
		lines = append(lines, Shorten(Clean(fmt.Sprintf("%s; %s", line, h.Why))))
	}
	return strings.Join(lines, "\n")
}

// Booted describes what the guests of a table booted, and with what.
func Booted(t matrix.Table) []string {
	parts := Origin(string(t.Interface), t.Origin)
	if t.Append != "" {
		parts = append(parts, "kernel arguments "+t.Append)
	}
	return parts
}

// Origin describes what was booted: the interface and the base, the patch
// series, the image.
func Origin(face string, o matrix.Origin) []string {
	base := face
	if o.Base != "" {
		base += ", " + o.Base
	}
	if o.BaseVersion != "" {
		base += fmt.Sprintf(" %s (sha256 %.12s)", o.BaseVersion, o.BaseSHA256)
	} else if o.Release != "" {
		base += " " + o.Release
	}
	parts := []string{base}
	for _, s := range o.Series {
		parts = append(parts, "series "+s)
	}
	if o.ImageSHA256 != "" {
		parts = append(parts, fmt.Sprintf("image sha256 %.12s", o.ImageSHA256))
	}
	if o.Modules != "" {
		parts = append(parts, fmt.Sprintf("modules sha256 %.12s", o.Modules))
	}
	return parts
}

// SplitGaps separates the probes of known gaps from the others.
func SplitGaps(rows []matrix.TableRow) (others, gaps []matrix.TableRow) {
	for _, r := range rows {
		if r.Expect == scenarios.Gap.String() {
			gaps = append(gaps, r)
		} else {
			others = append(others, r)
		}
	}
	return others, gaps
}

// Counts returns the verdicts that occur, in their order, each with its short
// form in the matrix.
func Counts(m *matrix.Matrix) string {
	n := m.Count()
	var parts []string
	for _, v := range matrix.Verdicts() {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s (%s)", n[v], v, Short[v]))
		}
	}
	if len(parts) == 0 {
		return "no cells"
	}
	return Wrap(parts)
}

// GuestNote describes the state or the end of a guest in one line.
func GuestNote(c matrix.Column) string {
	note := "shows " + c.Shown
	switch {
	case c.End.Failed():
		note = "lab failed: " + c.End.String()
	case c.End.Lost():
		note = "lost: " + c.End.Cause
	case c.Shown == "":
		note = "not run"
	}
	if len(c.Splats) > 0 {
		note += "; " + Count(len(c.Splats), "bug report") + " of its own kernel"
	}
	if retry := Retried(c); retry != "" {
		note += "; " + retry
	}
	switch c.Second {
	case "":
	case string(matrix.Ended):
		note += "; ran a second time, because a cell was not as expected"
	default:
		note += "; its second run was lost: " + c.Second
	}
	return note
}

// Retried notes that a guest ran again after it was lost; empty: it did not.
func Retried(c matrix.Column) string {
	if c.Tries < 2 {
		return ""
	}
	return fmt.Sprintf("try %d, because the guest was lost before", c.Tries)
}

// Remarkable reports whether a guest was lost, failed, did not run, ran again or a
// second time, or its kernel reported a bug.
func Remarkable(c matrix.Column) bool {
	return !c.End.Well() || c.Tries != 1 || len(c.Splats) > 0 || c.Second != ""
}

// An Absence is a reason why probes of a table are unavailable.
type Absence struct {
	Why    string
	Probes []string // with the numbers of the settings, unless it is absent in all
}

// Absences lists the reasons why probes of a table are unavailable, in the
// table's order.
func Absences(t matrix.Table) (list []Absence) {
	for _, r := range t.Rows {
		settings := map[string][]string{}
		var order []string
		for i, c := range r.Cells {
			if c.Verdict != matrix.Unavailable {
				continue
			}
			if settings[c.Why] == nil {
				order = append(order, c.Why)
			}
			settings[c.Why] = append(settings[c.Why], fmt.Sprint(i+1))
		}
		for _, why := range order {
			probe := r.Probe
			if n := settings[why]; len(n) < len(r.Cells) {
				probe += " (" + strings.Join(n, ",") + ")"
			}
			i := slices.IndexFunc(list, func(a Absence) bool { return a.Why == why })
			if i < 0 {
				i, list = len(list), append(list, Absence{Why: why})
			}
			list[i].Probes = append(list[i].Probes, probe)
		}
	}
	return list
}

// SeenOf describes the look of a probe at its act, and those of its variants that
// were not denied.
func SeenOf(o *scenarios.Observation) (lines []string) {
	if o == nil {
		return nil
	}
	if o.Look != "" {
		lines = append(lines, fmt.Sprintf("looked (%s): %s", o.Effect, o.Look))
	}
	if len(o.Variants) == 0 {
		return lines
	}
	var other []string
	for _, v := range o.Variants {
		if v.Outcome != scenarios.Denied {
			other = append(other, fmt.Sprintf("%s %s", v.Args, v.Outcome))
		}
	}
	line := fmt.Sprintf("%s, %d not denied", Count(len(o.Variants), "variant"), len(other))
	if len(other) > 0 {
		line += ": " + ProbeList(other)
	}
	return append(lines, line)
}

// MaxNamed is the maximum number of probes to name.
const MaxNamed = 3

// ProbeList names the first probes and counts the rest.
func ProbeList(probes []string) string {
	if n := len(probes) - MaxNamed; n > 1 {
		return fmt.Sprintf("%s and %d more", strings.Join(probes[:MaxNamed], ", "), n)
	}
	return strings.Join(probes, ", ")
}

// ReasonLines sum up by reason: enforced, leaking, not as expected, not tested,
// out of reach.
func ReasonLines(rs matrix.Reasons) (lines []string) {
	lines = append(lines, fmt.Sprintf("%d of the kernel's %s %s enforced here", len(rs.Enforced), Count(rs.Of, "reason"), IsAre(len(rs.Enforced))))
	if len(rs.Enforced) > 0 {
		lines[0] += ": " + ReasonNames(rs.Enforced)
	}
	if len(rs.Leaking) > 0 {
		lines = append(lines, "leaking: "+ReasonNames(rs.Leaking))
	}
	if len(rs.Doubtful) > 0 {
		lines = append(lines, "not as expected: "+ReasonNames(rs.Doubtful))
	}
	for _, u := range rs.Untested {
		lines = append(lines, fmt.Sprintf("not tested: %s: %s", u.Reason, u.Why))
	}
	for _, u := range rs.OutOfReach {
		lines = append(lines, fmt.Sprintf("out of reach: %s: %s", u.Reason, u.Why))
	}
	return lines
}

// StrangeLines are about the kernel's reasons that the lab does not know, or has
// otherwise. Their texts come from the kernel's source.
func StrangeLines(rs matrix.Reasons) (lines []string) {
	for _, u := range rs.NoProbe {
		lines = append(lines, fmt.Sprintf("reason %s: no probe: %s", u.Reason, u.Why))
	}
	return append(lines, rs.Differs...)
}

func ReasonNames[R ~string](rs []R) string {
	var names []string
	for _, r := range rs {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// Count is a number with its noun: 1 probe, 2 probes, 2 patches.
func Count(n int, noun string) string {
	switch {
	case n != 1 && strings.HasSuffix(noun, "ch"):
		noun += "es"
	case n != 1:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func IsAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// Tally is what a matrix rests on.
func Tally(n matrix.Tally) []string {
	of := func(e scenarios.Expectation) int { return n.Probes[e.String()] }
	return []string{
		fmt.Sprintf("%s with %s", Count(of(scenarios.Checked), "gated probe"), Count(n.Variants, "variant")),
		Count(of(scenarios.Unchecked), "probe") + " that must stay allowed", Count(of(scenarios.Gap), "known gap"), Count(of(scenarios.ABI), "probe") + " of lockdown's own files",
		fmt.Sprintf("%d of %s %s a denial", n.Denials, Count(n.Verdicts, "verdict"), IsAre(n.Denials)), fmt.Sprintf("%d of them counted at the call site that the probe names", n.AtSite),
	}
}

// IsolationCaption is what an isolation matrix shows, and what it does not.
const IsolationCaption = "It shows that A does not block the probes of B, not that A locked alone protects anything."

// Share prints denied/probed, or a point if nothing was denied and no denial
// was expected.
func Share(s matrix.Share) string {
	text := fmt.Sprintf("%d/%d", s.Denied, s.Probes)
	switch {
	case !s.Isolated():
		return text + "!"
	case s.Denied == 0:
		return "."
	case s.Named:
		return text + "*"
	}
	return text
}

// MaxLine is the maximum width of lines, in characters.
const MaxLine = 100

// Wrap joins the items of a list with commas, and breaks it into lines between
// items.
func Wrap(items []string) string {
	var b strings.Builder
	width := 0
	for i, item := range items {
		n := utf8.RuneCountInString(item)
		switch {
		case i == 0:
		case width+len(", ")+n >= MaxLine:
			b.WriteString(",\n")
			width = 0
		default:
			b.WriteString(", ")
			width += len(", ")
		}
		b.WriteString(item)
		width += n
	}
	return b.String()
}

// Shorten cuts off a line that is too wide.
func Shorten(s string) string {
	if r := []rune(s); len(r) > MaxLine {
		return string(r[:MaxLine-len("...")]) + "..."
	}
	return s
}
