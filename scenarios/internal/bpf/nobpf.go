//go:build nobpf

// Package bpf loads and runs BPF programs. This build lacks the library that
// assembles them.
package bpf

import (
	"errors"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// LoadForLater reports that this guest program was built without BPF. It is
// built so only if no probe of the plan needs BPF.
func LoadForLater() (func() observe.Report, observe.Report) {
	return nil, observe.SetupFailed("bpf(BPF_PROG_LOAD)", errors.New("this guest program was built without BPF"))
}
