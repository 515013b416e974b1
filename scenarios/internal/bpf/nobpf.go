//go:build nobpf

// Package bpf loads and runs BPF programs. This build has no library that
// assembles them.
package bpf

import (
	"errors"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// LoadForLater reports that this guest program was built without BPF: no probe
// of its plan needs it.
func LoadForLater() (func() observe.Report, observe.Report) {
	return nil, observe.SetupFailed("bpf(BPF_PROG_LOAD)", errors.New("this guest program was built without BPF"))
}
