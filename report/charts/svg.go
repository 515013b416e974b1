package charts

import (
	"fmt"
	"math"
	"strings"
)

// Sizes of a chart, in units of its view box: the plot, and around it the place for
// labels.
const (
	left, top     = 52.0, 10.0
	width, height = 640.0, 90.0
	right, bottom = 10.0, 22.0
)

// begin opens a figure with an image, which has a title and a description, and the names
// of the first and the last night below it. what and of are escaped.
func (p *painter) begin(what, of, legend string, points []point) {
	p.svgs++
	id := fmt.Sprintf("chart-%d", p.svgs)
	caption := what
	if legend != "" {
		caption += " (" + legend + ")"
	}
	p.add(`<figure class="chart"><figcaption>%s</figcaption>`, caption)
	p.add(`<svg role="img" aria-labelledby="%s-t %s-d" viewBox="0 0 %g %g" width="%g" height="%g"><title id="%s-t">%s, %s</title><desc id="%s-d">%s</desc>`,
		id, id, left+width+right, top+height+bottom, left+width+right, top+height+bottom, id, what, of, id, describe(points))
	p.add(`<path class="axis" d="M%g %gv%gh%g"/>`, left, top, height, width)
	p.add(`<text x="%g" y="%g">%s</text>`, left, top+height+16, text(points[0].night))
	if len(points) > 1 {
		p.add(`<text class="end" x="%g" y="%g">%s</text>`, left+width, top+height+16, text(points[len(points)-1].night))
	}
}

func (p *painter) end() { p.add(`</svg></figure>`) }

// describe tells in words what a chart shows: the last night, and the least and the
// greatest value.
func describe(points []point) string {
	var list []point
	for _, x := range points {
		if x.there {
			list = append(list, x)
		}
	}
	if len(list) == 0 {
		return "No night has a value."
	}
	least, most := list[0], list[0]
	for _, x := range list {
		if x.value < least.value {
			least = x
		}
		if x.value > most.value {
			most = x
		}
	}
	return text(fmt.Sprintf("Last: %s. Least: %s on %s. Most: %s on %s.", list[len(list)-1].label, number(least.value), least.night, number(most.value), most.night))
}

// number is a value with at most one digit after the point.
func number(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

// scale labels the axis with its ends.
func (p *painter) scale(low, high float64) {
	p.add(`<text class="end" x="%g" y="%g">%s</text>`, left-6, top+9, number(high))
	p.add(`<text class="end" x="%g" y="%g">%s</text>`, left-6, top+height, number(low))
}

// bars draws a bar for each night, from zero.
func (p *painter) bars(what, of, legend string, points []point) {
	p.begin(what, of, legend, points)
	high := 1.0
	for _, x := range points {
		high = math.Max(high, x.value)
	}
	p.scale(0, high)
	step := width / float64(len(points))
	bar := math.Min(step*0.8, 24)
	for i, x := range points {
		if !x.there {
			continue
		}
		fmt.Fprintf(&p.b, `<g><title>%s</title>`, text(x.label))
		// The whole height answers the mouse.
		fmt.Fprintf(&p.b, `<rect class="clear" x="%.1f" y="%g" width="%.1f" height="%g"/>`, left+step*float64(i), top, step, height)
		y := top + height
		for _, q := range x.parts {
			h := q.value / high * height
			if q.value <= 0 {
				continue
			}
			y -= h
			fmt.Fprintf(&p.b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, q.class, left+step*(float64(i)+0.5)-bar/2, y, bar, h)
		}
		p.add(`</g>`)
	}
	p.end()
}

// line draws a line from night to night. Its axis begins at the least value, because a
// change of one in a thousand must be seen; both ends have their numbers.
func (p *painter) line(what, of string, points []point) {
	p.begin(what, of, "", points)
	low, high := math.Inf(1), math.Inf(-1)
	for _, x := range points {
		if x.there {
			low, high = math.Min(low, x.value), math.Max(high, x.value)
		}
	}
	if math.IsInf(low, 1) {
		p.end()
		return
	}
	p.scale(low, high)
	step := width / float64(len(points))
	at := func(i int, v float64) (float64, float64) {
		y := top + height/2
		if high > low {
			y = top + height - (v-low)/(high-low)*height
		}
		return left + step*(float64(i)+0.5), y
	}
	var path strings.Builder
	move := "M"
	for i, x := range points {
		if !x.there {
			move = "M" // a night without the run is a gap
			continue
		}
		cx, cy := at(i, x.value)
		fmt.Fprintf(&path, "%s%.1f %.1f", move, cx, cy)
		move = "L"
	}
	p.add(`<path class="line" d="%s"/>`, path.String())
	for i, x := range points {
		if x.there {
			cx, cy := at(i, x.value)
			p.add(`<g><title>%s</title><circle class="dot" cx="%.1f" cy="%.1f" r="3"/></g>`, text(x.label), cx, cy)
		}
	}
	p.end()
}
