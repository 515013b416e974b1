// Package charts draws the history of nightly runs: small charts in SVG that are in the
// page's source and need no script, each with a title, a description and a table of its numbers.
package charts

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// maxShown is the number of nights that are drawn, the last ones.
const maxShown = 60

// Section is the part of an HTML page with the history of a matrix's kernels; empty if
// there are no nights.
func Section(nights []history.Night, m *matrix.Matrix) string {
	if len(nights) == 0 {
		return ""
	}
	nights = nights[max(0, len(nights)-maxShown):]
	p := &painter{}
	p.add(`<section id="nights" aria-labelledby="nights-head"><h2 id="nights-head">History</h2>`)
	p.add(`<p>%s, from %s to %s.</p>`, words.Count(len(nights), "night"), text(nights[0].Name), text(nights[len(nights)-1].Name))
	for _, t := range m.Tables {
		for _, run := range runs(nights, t) {
			p.kernel(nights, run, t)
		}
	}
	p.nights(nights)
	p.add(`</section>`)
	return p.b.String()
}

// text escapes what may come from anywhere.
func text(s string) string { return html.EscapeString(words.Clean(s)) }

// runs lists the runs of the nights that have a table's kernel.
func runs(nights []history.Night, t matrix.Table) (list []string) {
	for _, n := range nights {
		for _, k := range n.Kernels {
			if k.Kernel == t.Kernel && k.Arch == t.Arch && !slices.Contains(list, k.Run) {
				list = append(list, k.Run)
			}
		}
	}
	return list
}

// A painter writes the section.
type painter struct {
	b    strings.Builder
	svgs int
}

func (p *painter) add(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

// A point is one night of a chart.
type point struct {
	night string
	there bool
	value float64
	parts []part // of a bar, from below
	label string // what the mouse shows
}

// A part is a part of a bar, with a class of the style.
type part struct {
	class string
	value float64
}

// kernel draws what one run counted of a kernel.
func (p *painter) kernel(nights []history.Night, run string, t matrix.Table) {
	name := text(fmt.Sprintf("%s %s, run %s", t.Kernel, t.Arch, run))
	var odd, denied []point
	var rows [][]string
	for _, n := range nights {
		o, d := point{night: n.Name}, point{night: n.Name}
		i := slices.IndexFunc(n.Kernels, func(k history.Kernel) bool {
			return k.Run == run && k.Kernel == t.Kernel && k.Arch == t.Arch
		})
		if i >= 0 {
			k := n.Kernels[i]
			bad, flaky, known := k.Unexpected(), k.Flaky(), k.Known()
			o = point{n.Name, true, float64(bad + flaky + known), []part{{"bad", float64(bad)}, {"doubt", float64(flaky)}, {"known", float64(known)}},
				fmt.Sprintf("%s: %d not as expected, %d flaky, %d known", n.Name, bad, flaky, known)}
			d = point{n.Name, true, float64(k.Enforced()), nil, fmt.Sprintf("%s: %d denied", n.Name, k.Enforced())}
			rows = append(rows, []string{n.Name, fmt.Sprint(bad), fmt.Sprint(flaky), fmt.Sprint(known), fmt.Sprint(k.Enforced()), fmt.Sprint(k.All()), k.Base})
		}
		odd, denied = append(odd, o), append(denied, d)
	}
	p.add(`<h3>%s</h3>`, name)
	p.bars("Cells that are not as expected", name, "filled: not as expected; dashed: flaky; outlined: known", odd)
	p.line("Cells that were denied as expected", name, denied)
	p.table("Numbers of "+name, []string{"night", "not as expected", "flaky", "known", "denied", "cells", "version"}, rows)
}

// nights draws how long the nights took, and which steps failed.
func (p *painter) nights(nights []history.Night) {
	var points []point
	var rows [][]string
	for _, n := range nights {
		hours := n.Seconds() / 3600
		class := "open"
		if len(n.Failed) > 0 {
			class = "bad"
		}
		points = append(points, point{n.Name, true, hours, []part{{class, hours}}, fmt.Sprintf("%s: %.1f h, %s", n.Name, hours, failed(n))})
		rows = append(rows, []string{n.Name, fmt.Sprintf("%.1f", hours), failed(n), n.Lab, short(n.Table), n.Machine})
	}
	p.add(`<h3>Nights</h3>`)
	p.bars("Hours of each night", "all runs", "filled: a step failed; pale: none failed", points)
	p.table("Nights", []string{"night", "hours", "steps that failed", "lab", "tables of the lab", "machine"}, rows)
}

func failed(n history.Night) string {
	if len(n.Failed) == 0 {
		return "no step failed"
	}
	return strings.Join(n.Failed, ", ") + " failed"
}

// short is the beginning of a digest.
func short(digest string) string { return fmt.Sprintf("%.12s", digest) }

func (p *painter) table(caption string, heads []string, rows [][]string) {
	p.add(`<details><summary>%s</summary><table><thead><tr>`, caption)
	for _, h := range heads {
		p.add(`<th scope="col">%s</th>`, text(h))
	}
	p.add(`</tr></thead><tbody>`)
	for _, r := range rows {
		p.b.WriteString("<tr>")
		for i, x := range r {
			if i == 0 {
				fmt.Fprintf(&p.b, `<th scope="row">%s</th>`, text(x))
			} else {
				fmt.Fprintf(&p.b, `<td>%s</td>`, text(x))
			}
		}
		p.add("</tr>")
	}
	p.add(`</tbody></table></details>`)
}
