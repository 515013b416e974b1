package vm

import (
	"strings"
	"testing"
)

// TestSysRq: Alt is down before SysRq, shift before a capital letter only, and all
// that was pressed is let go in the other order.
func TestSysRq(t *testing.T) {
	for letter, want := range map[string]string{
		"x": "+alt +sysrq +x -x -sysrq -alt",
		"X": "+alt +sysrq +shift +x -x -shift -sysrq -alt",
		"7": "+alt +sysrq +7 -7 -sysrq -alt",
	} {
		var got []string
		for _, e := range sysRq(letter) {
			sign := "-"
			if e.Data.Down {
				sign = "+"
			}
			if e.Type != "key" || e.Data.Key.Type != "qcode" {
				t.Errorf("%s: event %+v", letter, e)
			}
			got = append(got, sign+e.Data.Key.Data)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s, want %s", letter, text, want)
		}
	}
}
