package main

import (
	"testing"

	"github.com/ldlab/ldlab/scenarios"
)

// TestRehearsal: what is rehearsed in every template is there, and harmless.
func TestRehearsal(t *testing.T) {
	row, ok := scenarios.Find(rehearsal)
	if !ok || row.Expect != scenarios.Unchecked || row.Act == nil || row.AltersLock || row.Exclusive || row.Machine != scenarios.Plain || len(row.Only) > 0 {
		t.Errorf("%s is no probe to be rehearsed: found %v, %+v", rehearsal, ok, row)
	}
}
