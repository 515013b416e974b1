package page

// A Section is a view beside those of the matrix: texts and tables. It is a plain value,
// so the page needs to know nothing of what is measured.
type Section struct {
	Name    string // in the address of the page
	Title   string
	About   string   // what it shows
	Good    bool     // it is as expected
	Summary []string // its result, in a few lines
	Tables  []Table
}

// A Table is one of a section.
type Table struct {
	Caption string
	Of      string // the kernel and architecture that it is about; empty: none
	Heads   []string
	Choose  []int // the columns whose values can be chosen
	Rows    []Row
}

// A Row is a row of a table. The first cell names it.
type Row struct {
	Bad   bool // it is not as expected
	Cells []Cell
}

// A Cell is a text. Its kind is that of a verdict's look: good, open, gap, none, bad,
// doubt, known or lost; empty: it has none.
type Cell struct{ Kind, Text string }

// Texts are cells that are texts only.
func Texts(list ...string) (cells []Cell) {
	for _, s := range list {
		cells = append(cells, Cell{Text: s})
	}
	return cells
}

// A section is a Section whose texts are numbers.
type section struct {
	Name, Title, About text
	Good               bool
	Summary            []text
	Tables             []sectionTable
}

type sectionTable struct {
	Caption, Of text
	Heads       []text
	Choose      []int
	Rows        [][]int // 1 if the row is bad, and then each cell's kind and text
}

func (c *collector) section(s Section) section {
	d := section{Name: c.text(s.Name), Title: c.text(s.Title), About: c.text(s.About), Good: s.Good, Summary: texts(c, s.Summary), Tables: []sectionTable{}}
	for _, t := range s.Tables {
		x := sectionTable{Caption: c.text(t.Caption), Of: c.text(t.Of), Heads: texts(c, t.Heads), Choose: append([]int{}, t.Choose...), Rows: [][]int{}}
		for _, r := range t.Rows {
			row := []int{0}
			if r.Bad {
				row[0] = 1
			}
			for _, cell := range r.Cells {
				row = append(row, int(c.text(cell.Kind)), int(c.text(cell.Text)))
			}
			x.Rows = append(x.Rows, row)
		}
		d.Tables = append(d.Tables, x)
	}
	return d
}
