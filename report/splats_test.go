package report

import (
	"strings"
	"testing"
)

// TestSplats: every format names what a kernel reported of its own bugs.
func TestSplats(t *testing.T) {
	m := measurement(t)
	clean := map[string]string{}
	for _, f := range Formats() {
		clean[f.Name] = written(t, f, m)
	}
	c := &m.Matrix.Tables[0].Columns[0]
	c.Splats = []string{"WARNING: possible circular locking\x1b dependency"}
	for _, f := range Formats() {
		text := written(t, f, m)
		if !strings.Contains(text, "possible circular locking") || strings.Contains(text, "\x1b") || strings.Contains(clean[f.Name], "circular") {
			t.Errorf("%s: %s", f.Name, text)
		}
	}
}

func written(t *testing.T, f View, m Measurement) string {
	t.Helper()
	var b strings.Builder
	if err := f.Write(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
