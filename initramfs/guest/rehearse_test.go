package main

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// TestRehearsal: the probe that every template rehearses exists and changes
// nothing.
func TestRehearsal(t *testing.T) {
	row, ok := scenarios.Find(rehearsal)
	if !ok || row.Expect != scenarios.Unchecked || row.Do == nil || row.AltersLock || row.Exclusive || row.Machine != scenarios.Plain || len(row.Only) > 0 {
		t.Errorf("%s must not be rehearsed: found %v, %+v", rehearsal, ok, row)
	}
}
