package plan

import (
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	for text, good := range map[string]bool{
		"":                              true,
		"lsm=yama":                      true,
		"lsm=lockdown,yama":             true,
		"iomem=relaxed nokaslr":         true,
		`dyndbg="file lockdown.c +p"`:   true,
		`dyndbg="x lockdown=integrity"`: true,
		"mylockdown=integrity":          true,
		"lockdown=integrity":            false,
		"quiet lockdown=none":           true,
		"lockdown":                      false,
		`"lockdown=confidentiality"`:    false,
		"lockdown-reasons=dev_mem":      false,
		"  lockdown_reasons=dev_mem":    false,
		"ldlab_coco":                    false,
		"ldlab.workers=3":               false,
		"quiet -- single":               false,
		"a\nb":                          false,
	} {
		if err := (Selection{Append: text}).Check(); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		// A finding judges its own steps, and has no control.
		if err := CheckAppend(text); (err == nil) != (good || strings.Contains(text, "lock") || text == "ldlab_coco") {
			t.Errorf("%q in a finding: %v", text, err)
		}
	}
}
