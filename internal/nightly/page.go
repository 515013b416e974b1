package nightly

import (
	_ "embed"
	"html/template"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/charts"
	"github.com/ldlab/ldlab/report/page"
	"github.com/ldlab/ldlab/report/words"
)

//go:embed page.html
var frame string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"clean": words.Clean}).Parse(frame))

// page is the page of the night: its steps and runs, what changed, and the history. It
// has no script.
func (n *Night) page(nights []history.Night) (string, error) {
	var b strings.Builder
	err := pageTemplate.Execute(&b, map[string]any{
		"Night": n, "Good": n.Good(), "Worse": n.worse(), "Charts": template.HTML(charts.Section(nights, n.all())), //nolint:gosec // it escapes its texts
		"Style": template.CSS(page.Style()), "StyleHash": page.StyleHash(),
	})
	return b.String(), err
}

// all is a matrix without cells that has the kernels of every run, each once.
func (n *Night) all() *matrix.Matrix {
	m := &matrix.Matrix{}
	for _, k := range n.Line.Kernels {
		if !slices.ContainsFunc(m.Tables, func(t matrix.Table) bool { return t.Kernel == k.Kernel && t.Arch == k.Arch }) {
			m.Tables = append(m.Tables, matrix.Table{Kernel: k.Kernel, Arch: k.Arch})
		}
	}
	return m
}
