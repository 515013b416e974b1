package report

import (
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/page"
)

// html writes a matrix as one page that needs nothing else.
func html(b *strings.Builder, m *matrix.Matrix) error { return page.Write(b, m) }
