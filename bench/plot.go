package main

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A bar of the plot: a tool and the measure of its seconds.
type bar struct {
	label, id string
	ours      bool
}

// bars is what the plot shows, from its top.
var bars = []bar{
	{"ldlab, fork, x86_64", "x86_64/fork-one", true},
	{"ldlab, boot, x86_64", "x86_64/boot", true},
	{"floor: init that powers off, x86_64", "x86_64/floor", false},
	{"ldlab, fork, arm64", "arm64/fork-one", true},
	{"ldlab, boot, arm64", "arm64/boot", true},
	{"floor: init that powers off, arm64", "arm64/floor", false},
	{"peers' kernel: ldlab, boot", "peers/ldlab", true},
	{"peers' kernel: ldlab, to its power-off", "peers/ldlab-end", true},
	{"peers' kernel: floor", "peers/floor", false},
	{"peers' kernel: kunit.py", "peers/kunit", false},
	{"peers' kernel: rcutorture's runner", "peers/rcutorture", false},
	{"peers' kernel: virtme-ng", "peers/virtme-ng", false},
	{"peers' kernel: hugelgupf/vmtest", "peers/vmtest", false},
}

// These colours can be distinguished without red or green vision. The plot has an
// opaque background, so they look the same on a light and on a dark page.
var (
	ground = color.White
	ink    = color.Gray{0x24}
	mine   = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	theirs = color.NRGBA{0x9a, 0x9a, 0x9a, 0xff}
)

// Sizes of the plot.
const (
	plotWidth = 9 * vg.Inch
	rowHeight = 0.32 * vg.Inch
	barWidth  = 0.2 * vg.Inch
	margin    = 0.1 * vg.Inch
	textSize  = 10
)

// svg draws the plot: a pure function of the results, the same bytes for the
// same file.
func svg(r *Results) ([]byte, error) {
	var shown []bar
	for _, b := range bars {
		if why(r.Measure(b.id)) == "" {
			shown = append(shown, b)
		}
	}
	if len(shown) == 0 {
		return nil, fmt.Errorf("draw plot: nothing was measured")
	}
	p, err := chart(r, shown)
	if err != nil {
		return nil, fmt.Errorf("draw plot: %w", err)
	}
	c := vgsvg.New(plotWidth, height(shown))
	all := draw.New(c)
	all.SetColor(ground) // the margin, too
	all.Fill(all.Rectangle.Path())
	p.Draw(draw.Crop(all, margin, -margin, margin, -margin))
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("draw plot: %w", err)
	}
	return withFallback(out.Bytes()), nil
}

// height is that of the bars, a title and an axis.
func height(shown []bar) vg.Length { return vg.Length(len(shown)+2) * rowHeight }

// chart lays the plot out.
func chart(r *Results, shown []bar) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = ground
	p.Title.Text = "Seconds, medians: of ldlab to the first answer, of all others to the end of the run"
	p.X.Min = 0
	p.Y.LineStyle.Width = 0
	p.Y.Tick.LineStyle.Width = 0
	p.Y.Padding = 0
	names, our, their := make([]string, len(shown)), make(plotter.Values, len(shown)), make(plotter.Values, len(shown))
	labels := plotter.XYLabels{}
	for i, b := range shown {
		at := len(shown) - 1 - i // the axis goes up
		v := r.Measure(b.id).Median
		names[at] = b.label + gap(shown)
		if b.ours {
			our[at] = v
		} else {
			their[at] = v
		}
		labels.XYs = append(labels.XYs, plotter.XY{X: v, Y: float64(at)})
		labels.Labels = append(labels.Labels, " "+number(v)+" s")
		p.X.Max = max(p.X.Max, 1.1*v) // room for the number
	}
	for _, g := range []struct {
		values plotter.Values
		color  color.Color
	}{{our, mine}, {their, theirs}} {
		list, err := plotter.NewBarChart(g.values, barWidth)
		if err != nil {
			return nil, err
		}
		list.Horizontal, list.Color, list.LineStyle.Width = true, g.color, 0
		p.Add(list)
	}
	numbers, err := plotter.NewLabels(labels)
	if err != nil {
		return nil, err
	}
	for i := range numbers.TextStyle {
		numbers.TextStyle[i].Font = sans(textSize)
		numbers.TextStyle[i].Color = ink
		numbers.TextStyle[i].YAlign = draw.YCenter
	}
	p.Add(numbers)
	p.NominalY(names...)
	style(p)
	return p, nil
}

// gap is what follows each label, up to its bar. A reader without the font with
// which the plot was laid out sees another, of which the widest in common use
// (DejaVu Sans) is a fifth wider: without a gap its labels would run under the
// bars.
func gap(shown []bar) string {
	longest := 0
	for _, b := range shown {
		longest = max(longest, len(b.label))
	}
	const perLetter = 0.4 // a no-break space is about half as wide as a letter
	return strings.Repeat("\u00a0", int(perLetter*float64(longest)))
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// style gives every text one font and one colour.
func style(p *plot.Plot) {
	for _, s := range []*draw.TextStyle{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		s.Font = sans(textSize)
		s.Color = ink
	}
	p.Title.TextStyle.Font = sans(textSize + 1)
	p.Title.Padding = vg.Points(8)
	p.X.LineStyle.Color, p.X.Tick.LineStyle.Color = ink, ink
}

// withFallback names fonts for readers who do not have the one that the plot
// was laid out with; these are as wide.
func withFallback(text []byte) []byte {
	return []byte(strings.ReplaceAll(string(text), "font-family:Liberation Sans;", "font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
}
