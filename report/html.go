package report

import (
	"strings"

	"github.com/ldlab/ldlab/report/page"
)

// html writes a measurement as one page that needs nothing else.
func html(b *strings.Builder, m Measurement) error {
	if m.Matrix == nil {
		return errNoMatrix
	}
	return page.Write(b, page.Input{Matrix: m.Matrix, Coverage: m.Coverage, Mutation: m.Mutation, Review: m.Review})
}
