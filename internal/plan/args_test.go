package plan

import (
	"errors"
	"strings"
	"testing"
)

// TestAppendArgs: what no guest can have is refused, and what locks is found, however it is
// written.
func TestAppendArgs(t *testing.T) {
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
		if err := errors.Join((Selection{Append: text}).Check(), CheckUnlocked(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
		// A finding and a shell have no control.
		if err := CheckAppend(text); (err == nil) != (good || strings.Contains(text, "lock") || text == "ldlab_coco") {
			t.Errorf("%q without a control: %v", text, err)
		}
	}
}
