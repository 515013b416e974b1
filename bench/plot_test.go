package main

import (
	"strings"
	"testing"
)

// TestBarsCompareLikeWithLike wants the fork and the boot of the same plan beside
// each other: a guest that runs every probe answers later than one that runs one.
func TestBarsCompareLikeWithLike(t *testing.T) {
	compared := map[string]bool{}
	for _, row := range comparisons() {
		if strings.Contains(row.What, "first answer, a QEMU standing by") {
			compared[row.Ours] = true
		}
	}
	for _, b := range bars {
		if strings.Contains(b.label, "fork") && !compared[b.id] {
			t.Errorf("%s shows %s, which is not the measure that is compared with a boot", b.label, b.id)
		}
	}
}

// TestLabelsHaveRoom wants room after the longest label, for readers with a
// wider font.
func TestLabelsHaveRoom(t *testing.T) {
	longest := 0
	for _, b := range bars {
		longest = max(longest, len(b.label))
	}
	const narrow, letter = 0.278, 0.556 // widths of a no-break space and of most letters in Liberation Sans, in ems
	if room := float64(strings.Count(gap(bars), "\u00a0")) * narrow; room < 0.2*float64(longest)*letter*0.9 {
		t.Errorf("room for %.1f ems after %d letters", room, longest)
	}
}
