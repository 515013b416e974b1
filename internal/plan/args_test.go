package plan

import "testing"

// TestAppendArgs: what the lab could not do its work with is refused, however it is
// written. What locks is not: a guest that is locked before is no control.
func TestAppendArgs(t *testing.T) {
	for text, good := range map[string]bool{
		"":                            true,
		"lsm=lockdown,yama":           true,
		"iomem=relaxed nokaslr":       true,
		"lockdown=integrity":          true,
		`dyndbg="file lockdown.c +p"`: true,
		`dyndbg="x -- y"`:             true,
		`dyndbg="x ldlab.workers=3"`:  true,
		"ldlab.workers=3":             false,
		`"ldlab.workers=3"`:           false,
		"quiet -- single":             false,
		"a\nb":                        false,
	} {
		if err := (Selection{Append: text}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
