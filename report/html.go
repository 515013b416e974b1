package report

import (
	"strings"

	"github.com/ldlab/ldlab/report/page"
)

// html writes a matrix as one page that needs nothing else.
func html(b *strings.Builder, m Measurement) error {
	if m.Matrix == nil {
		return errNoMatrix
	}
	return page.Write(b, m.Matrix, m.History)
}
