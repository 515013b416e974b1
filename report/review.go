package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/report/words"
)

// reviewText writes a review for a terminal: what is grave first.
func reviewText(b *strings.Builder, r *changes.Review) error {
	fmt.Fprintf(b, "review of %s, %s, on %s\n", words.Clean(r.Series), words.Count(len(r.Patches), "patch"), baseOf(r))
	for _, n := range r.Notes {
		fmt.Fprintf(b, "  note: %s\n", words.Clean(n))
	}
	remarks := r.Remarks()
	for i, grave := range []bool{true, false} {
		first := true
		for _, m := range remarks {
			if m.Grave != grave {
				continue
			}
			if first {
				fmt.Fprintf(b, "\n%s\n", []string{"what got worse", "what else changed"}[i])
				first = false
			}
			remarkText(b, r, m)
		}
	}
	fmt.Fprintln(b)
	for _, a := range r.Arches {
		fmt.Fprintf(b, "%s: %s\n", words.Clean(a.Arch), archSummary(a))
	}
	if len(r.Mails) > 0 {
		fmt.Fprintf(b, "\nwhom the change concerns, by the base's get_maintainer.pl; nothing is sent\n")
		for _, m := range r.Mails {
			fmt.Fprintf(b, "  %s\n", words.Clean(m))
		}
	}
	fmt.Fprintf(b, "\n%s\n", conclusion(r))
	return nil
}

// remarkText writes one remark, its patch, and what shows it.
func remarkText(b *strings.Builder, r *changes.Review, m changes.Remark) {
	fmt.Fprintf(b, "  %s%s\n", words.Clean(m.Text), archesOf(m))
	if m.Patch >= 0 {
		fmt.Fprintf(b, "      %s\n", words.Clean(r.Patches[m.Patch].Name))
	}
	for _, d := range m.Detail {
		fmt.Fprintf(b, "      %s\n", words.Clean(d))
	}
}

// baseOf names the base of a review.
func baseOf(r *changes.Review) string {
	return fmt.Sprintf("%s (Linux %s)", words.Clean(r.Base.Name), words.Clean(r.Base.Version))
}

// archesOf names the architectures of a remark; empty if it has none.
func archesOf(m changes.Remark) string {
	if len(m.Arches) == 0 {
		return ""
	}
	return " (" + words.Clean(strings.Join(m.Arches, ", ")) + ")"
}

// archSummary counts what was compared, and names size and time.
func archSummary(a changes.Arch) string {
	changed := 0
	for _, c := range a.Diff.Changes {
		changed += len(c.Settings)
	}
	text := fmt.Sprintf("%s changed, %s as before", words.Count(changed, "verdict"), words.Count(a.Diff.Same, "verdict"))
	if a.Image[0] > 0 && a.Image[1] > 0 {
		text += fmt.Sprintf("; image %+d bytes", a.Image[1]-a.Image[0])
	}
	if a.Boot[0] > 0 && a.Boot[1] > 0 {
		text += fmt.Sprintf("; fastest boot %d ms, before %d ms", a.Boot[1], a.Boot[0])
	}
	return text
}

// conclusion is the last line of a review.
func conclusion(r *changes.Review) string {
	n := 0
	for _, m := range r.Remarks() {
		if m.Grave {
			n++
		}
	}
	switch {
	case n > 0:
		return words.Count(n, "change") + " for the worse"
	case len(r.Arches) == 0:
		return "no kernel was measured"
	}
	return "nothing got worse"
}

// reviewMarkdown writes a review for a page.
func reviewMarkdown(b *strings.Builder, r *changes.Review) error {
	fmt.Fprintf(b, "# Review of %s\n\n", words.Code(r.Series))
	fmt.Fprintf(b, "%s on %s. %s.\n", words.Count(len(r.Patches), "patch"), words.Markdown(baseOf(r)), conclusion(r))
	for _, n := range r.Notes {
		fmt.Fprintf(b, "\n> %s\n", words.Markdown(n))
	}
	fmt.Fprintf(b, "\n| what | patch | shown by |\n|---|---|---|\n")
	for _, m := range r.Remarks() {
		fmt.Fprintln(b, remarkRow(r, m))
	}
	fmt.Fprintf(b, "\n| patch | title | files |\n|---|---|---|\n")
	for _, p := range r.Patches {
		fmt.Fprintf(b, "| %s | %s | %s |\n", words.Code(p.Name), words.Markdown(p.Subject), words.Markdown(strings.Join(p.Files, ", ")))
	}
	fmt.Fprintln(b)
	for _, a := range r.Arches {
		fmt.Fprintf(b, "* %s: %s\n", words.Markdown(a.Arch), words.Markdown(archSummary(a)))
	}
	for _, t := range r.Base.Tried {
		fmt.Fprintf(b, "* base: %s\n", words.Markdown(t))
	}
	return nil
}

// remarkRow is a remark as a row of a table: what it is, its patch, and what shows it.
func remarkRow(r *changes.Review, m changes.Remark) string {
	text := words.Markdown(m.Text + archesOf(m))
	if m.Grave {
		text = "**" + text + "**"
	}
	patch := ""
	if m.Patch >= 0 {
		patch = words.Code(r.Patches[m.Patch].Name)
	}
	var shown []string
	for _, d := range m.Detail {
		shown = append(shown, words.Markdown(d))
	}
	return fmt.Sprintf("| %s | %s | %s |", text, patch, strings.Join(shown, "<br>"))
}

// reviewJSON writes a review with its remarks, for programs.
func reviewJSON(b *strings.Builder, r *changes.Review) error {
	return JSON(b, struct {
		*changes.Review
		Remarks []changes.Remark
	}{r, r.Remarks()})
}

// replyWidth is the width of mail on a kernel list.
const replyWidth = 72

// reviewReply writes a review as a reply for the list: it quotes the hunk that each
// remark is about, and ends with the command that repeats what it claims.
func reviewReply(b *strings.Builder, r *changes.Review) error {
	fold(b, "", fmt.Sprintf("I ran this series (%s) on %s with ldlab, which boots kernels with and without it under each lockdown setting and compares what root can do. %s.", words.Count(len(r.Patches), "patch"), baseOf(r), strings.ToUpper(conclusion(r)[:1])+conclusion(r)[1:]))
	remarks := r.Remarks()
	for i := range r.Patches {
		replyTo(b, r, i, remarks)
	}
	first := true
	for _, m := range remarks {
		if m.Patch >= 0 {
			continue
		}
		if first {
			fmt.Fprintf(b, "\nOf the series as a whole:\n")
			first = false
		}
		remarkOf(b, m)
	}
	fmt.Fprintln(b)
	for _, name := range slices.Sorted(maps.Keys(r.Machines)) {
		fold(b, "", fmt.Sprintf("%s: %s", name, r.Machines[name]))
	}
	for _, a := range r.Arches {
		fold(b, "", a.Arch+": "+archSummary(a))
	}
	fmt.Fprintf(b, "ldlab %s, to repeat:\n  %s\n", words.Clean(r.Lab), words.Clean(r.Command))
	return nil
}

// replyTo writes the remarks about one patch, each below the hunk that it is about.
func replyTo(b *strings.Builder, r *changes.Review, patch int, remarks []changes.Remark) {
	first := true
	quoted := -2
	for _, m := range remarks {
		if m.Patch != patch {
			continue
		}
		if first {
			fmt.Fprintf(b, "\n> %s\n", cut(words.Clean(r.Patches[patch].Subject), replyWidth-2))
			first = false
		}
		if m.Hunk >= 0 && m.Hunk != quoted {
			quote(b, r.Patches[patch].Hunks[m.Hunk])
		}
		quoted = m.Hunk
		remarkOf(b, m)
	}
}

// maxQuoted is how many lines of a hunk are quoted.
const maxQuoted = 12

// quote quotes a hunk: from just before its first change.
func quote(b *strings.Builder, h changes.Hunk) {
	fmt.Fprintf(b, ">\n> %s\n> @@ %s\n", cut(words.Clean(h.File), replyWidth-2), cut(words.Clean(h.Head), replyWidth-5))
	from := max(slices.IndexFunc(h.Lines, func(l string) bool { return strings.HasPrefix(l, "+") || strings.HasPrefix(l, "-") })-1, 0)
	for i, line := range h.Lines[from:] {
		if i == maxQuoted {
			fmt.Fprintf(b, "> [...]\n")
			break
		}
		fmt.Fprintf(b, "> %s\n", cut(tabbed(line), replyWidth-2))
	}
}

func remarkOf(b *strings.Builder, m changes.Remark) {
	fmt.Fprintln(b)
	fold(b, "", sentence(m.Text)+archesOf(m)+".")
	for _, d := range m.Detail {
		fold(b, "  ", d)
	}
}

// sentence begins a text with a capital letter, unless it begins with a name.
func sentence(text string) string {
	word, _, _ := strings.Cut(text, " ")
	if strings.ContainsAny(word, "/:_.") || word == "" {
		return text
	}
	return strings.ToUpper(word[:1]) + text[1:]
}

// tabbed cleans a line of a patch, whose tabs stay.
func tabbed(line string) string {
	parts := strings.Split(line, "\t")
	for i := range parts {
		parts[i] = words.Clean(parts[i])
	}
	return strings.Join(parts, "\t")
}

// fold writes a text in lines of at most replyWidth characters, where words allow that.
func fold(b *strings.Builder, indent, text string) {
	line := indent
	for _, word := range strings.Fields(words.Clean(text)) {
		if len([]rune(line))+1+len([]rune(word)) > replyWidth && strings.TrimSpace(line) != "" {
			fmt.Fprintln(b, line)
			line = indent
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(b, line)
}

// cut shortens a line that is too long.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:width-3]) + "..."
}
