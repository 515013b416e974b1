package main

import (
	"bytes"
	"io"

	"github.com/ldlab/ldlab/internal/vport"
	"github.com/ldlab/ldlab/internal/wire"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// warm has encoding/json look at the types of all messages once. In a template
// that is time which no fork has to spend again: on one CPU under emulation,
// some 20 ms of each fork.
func warm() {
	for _, sent := range []any{
		wire.Frame{State: &wire.State{Errors: []string{""}}},
		wire.Frame{Observation: &scenarios.Observation{Checks: []scenarios.Check{{}}}},
		wire.Frame{Step: &lockdown.Step{}},
		wire.Frame{End: &wire.End{}},
	} {
		_ = vport.Write(io.Discard, sent)
	}
	for _, received := range []any{&vport.Preamble{Entropy: []byte{0}}, &wire.Request{Probes: []string{""}}} {
		var b bytes.Buffer
		_ = vport.Write(&b, received)
		_ = vport.Read(&b, received)
	}
}

// warmChild is warm for a probe's child.
func warmChild() { _ = vport.Write(io.Discard, scenarios.Result{Outcome: scenarios.Allowed}) }
