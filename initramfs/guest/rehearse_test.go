package main

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// TestRehearsal: what is rehearsed in every template is there, and harmless.
func TestRehearsal(t *testing.T) {
	row, ok := scenarios.Find(rehearsal)
	if !ok || row.Expect != scenarios.Free || row.Run == nil || row.Changes || row.Alone || row.Machine != scenarios.Plain || len(row.Only) > 0 {
		t.Errorf("%s is no probe to be rehearsed: found %v, %+v", rehearsal, ok, row)
	}
}
