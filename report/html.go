package report

import (
	"errors"
	"strings"

	"github.com/ldlab/ldlab/report/page"
)

// html writes what the measurement has of what the page shows, as one page that needs
// nothing else.
func html(b *strings.Builder, m Measurement) error {
	content := page.Content{Matrix: m.Matrix, History: m.History, Sections: sectionsOf(m)}
	if content.Matrix == nil && len(content.Sections) == 0 {
		return errors.New("nothing that a page shows")
	}
	return page.Write(b, content)
}
