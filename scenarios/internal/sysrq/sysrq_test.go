package sysrq

import (
	"slices"
	"testing"
)

// TestKeys: every key is pressed or has a reason, and the digits come last.
func TestKeys(t *testing.T) {
	keys := Keys()
	if len(keys)+len(leftOut) != 62 { // drivers/tty/sysrq.c:sysrq_key_table, v6.12
		t.Errorf("%d keys are pressed and %d left out", len(keys), len(leftOut))
	}
	for key, why := range leftOut {
		if slices.Contains(keys, key) || why == "" {
			t.Errorf("%q is pressed, or has no reason", key)
		}
	}
	if !slices.Contains(keys, 'x') || keys[len(keys)-1] != '9' {
		t.Errorf("keys %q", string(keys))
	}
}
