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
		"Night": n, "Green": n.green(), "Headline": n.headline(), "Charts": template.HTML(charts.Section(nights, n.all())), //nolint:gosec // it escapes its texts
		"Style": template.CSS(page.Style()), "StyleHash": page.StyleHash(),
	})
	return b.String(), err
}

// green reports whether all is well, and not only no worse than before.
func (n *Night) green() bool {
	return n.Good() && !slices.ContainsFunc(n.Runs, func(r Run) bool { return !r.Good })
}

func (n *Night) headline() string {
	switch {
	case n.worse():
		return "✗ worse than the night before"
	case len(n.Line.Failed) > 0:
		return "✗ a step failed"
	case !n.green():
		return "✗ not as expected, and no worse than the night before"
	}
	return "✓ every step went well, and every run is as expected"
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
