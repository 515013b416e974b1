// Package pictures draws what a terminal shows as SVG. Its text stays text, which can be
// selected, and its colours follow the reader's light or dark theme.
package pictures

import (
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"

	"github.com/rivo/uniseg"
)

// Sizes, in pixels. A character's width is what the common monospaced fonts have at this
// size; each piece of text is stretched to it, so that columns stay in line in others.
const (
	fontSize  = 13
	charWidth = 7.8
	lineStep  = 18
	margin    = 16
	bar       = 32 // the window's title
)

// style is the style sheet. The classes are the parameters of SGR (ECMA-48), with s
// before each. The colours have a contrast of 4.5 or more on their background.
const style = `text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}
.w{fill:#fff;stroke:#d0d7de}.t{fill:#59636e}
.s1{font-weight:700}.s2{fill:#6e7781}.s31{fill:#c0152b}.s32{fill:#11632a}.s33{fill:#7d4e00}.s35{fill:#7433b8}.s36{fill:#1b6372}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.w{fill:#0d1117;stroke:#3d444d}.t{fill:#9198a1}
.s2{fill:#8b949e}.s31{fill:#ff7b72}.s32{fill:#56d364}.s33{fill:#e3b341}.s35{fill:#d2a8ff}.s36{fill:#76e3ea}}`

// sgr is an escape sequence that selects a style: the only one that is understood.
var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// SVG draws lines of a terminal with a title. The same text gives the same bytes.
func SVG(w io.Writer, title, text string) error {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := uniseg.StringWidth(title)
	for _, line := range lines {
		columns = max(columns, uniseg.StringWidth(sgr.ReplaceAllString(line, "")))
	}
	width, height := int(float64(columns)*charWidth)+2*margin, bar+margin/2+lineStep*len(lines)+margin
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n<style>%s</style>\n",
		width, height, width, height, clean(title), style)
	fmt.Fprintf(&b, "<rect class=\"w\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n<text class=\"t\" x=\"%d\" y=\"22\">%s</text>\n", width-1, height-1, margin, clean(title))
	for i, line := range lines {
		drawLine(&b, line, bar+margin/2+lineStep*i+fontSize)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// drawLine draws the pieces of a line that have a style each.
func drawLine(b *strings.Builder, line string, y int) {
	column, class := 0, ""
	put := func(text string) {
		columns := uniseg.StringWidth(text)
		if shown := strings.TrimSpace(text); shown != "" {
			fmt.Fprintf(b, "<text%s x=\"%.1f\" y=\"%d\" textLength=\"%.1f\" xml:space=\"preserve\">%s</text>\n", class, margin+float64(column)*charWidth, y, float64(columns)*charWidth, clean(text))
		}
		column += columns
	}
	for {
		at := sgr.FindStringSubmatchIndex(line)
		if at == nil {
			put(line)
			return
		}
		put(line[:at[0]])
		class = classOf(line[at[2]:at[3]])
		line = line[at[1]:]
	}
}

// classOf is the class attribute of SGR's parameters.
func classOf(parameters string) string {
	var names []string
	for _, p := range strings.Split(parameters, ";") {
		if p != "" && p != "0" {
			names = append(names, "s"+p)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" class=\"%s\"", strings.Join(names, " "))
}

// clean is text for XML, without control characters.
func clean(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return 0xfffd
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}
