package terminal

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/report/words"
)

// A grid is a table that is folded into blocks of columns if it is too wide. Columns
// are numbered from 1.
type grid struct {
	what  string   // of the rows, as the heading of their names
	names []string // of the columns, for blocks after a fold; nil: their numbers are enough
	rows  []gridRow
	empty string // cells with this text have nothing; rows of a block with such cells only are counted
	left  string // the noun of a row that was left out
}

type gridRow struct {
	name  string
	cells []span
}

// write writes the blocks.
func (s *screen) grid(g grid) {
	if len(g.rows) == 0 {
		return
	}
	wide := width(g.what)
	for _, r := range g.rows {
		wide = max(wide, width(words.Clean(r.name)))
	}
	wide = min(wide, s.Width/2)
	columns := len(g.rows[0].cells)
	for from := 0; from == 0 || from < columns; {
		to := s.fold(g, from, wide)
		s.line()
		if g.names != nil && (from > 0 || to < columns) {
			s.names(g, from, to)
		}
		s.block(g, from, to, wide)
		from = max(to, from+1)
	}
}

// fold is the end of the block that begins with a column: as many as fit, and one at
// least.
func (s *screen) fold(g grid, from, wide int) int {
	used, to := 2+wide, from
	for ; to < len(g.rows[0].cells); to++ {
		if used += 1 + g.columnWidth(to); used > s.Width && to > from {
			break
		}
	}
	return to
}

// columnWidth is that of the widest cell of a column.
func (g grid) columnWidth(i int) int {
	n := len(fmt.Sprint(i + 1))
	for _, r := range g.rows {
		n = max(n, width(r.cells[i].text))
	}
	return n
}

// names writes what the numbers of a block stand for.
func (s *screen) names(g grid, from, to int) {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("%d %s", i+1, g.names[i]))
	}
	s.para(2, 4, span{}, strings.Join(list, ", "))
}

func (s *screen) block(g grid, from, to, wide int) {
	line := []span{{text: "  "}, {head, pad(abbreviated(g.what, wide), wide, false)}}
	for i := from; i < to; i++ {
		line = append(line, span{text: " "}, span{head, pad(fmt.Sprint(i+1), g.columnWidth(i), true)})
	}
	s.line(line...)
	left := 0
	for _, r := range g.rows {
		empty := g.empty != ""
		line := []span{{text: "  " + pad(abbreviated(words.Clean(r.name), wide), wide, false)}}
		for i := from; i < to; i++ {
			c := r.cells[i]
			empty = empty && c.text == g.empty
			at := g.columnWidth(i)
			line = append(line, span{text: strings.Repeat(" ", 1+max(0, at-width(c.text)))}, c)
		}
		if empty {
			left++
			continue
		}
		s.line(line...)
	}
	if left > 0 {
		s.line(span{faint, abbreviated(fmt.Sprintf("  and %s with %s only", words.Count(left, g.left), g.empty), s.Width)})
	}
}
