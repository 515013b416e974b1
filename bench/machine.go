package main

import (
	"runtime"

	"github.com/ldlab/ldlab/internal/hostcpu"
	"github.com/ldlab/ldlab/matrix"
)

// Machine is the host, and how guests ran on it.
type Machine struct {
	CPU    string
	Cores  int
	Guests []matrix.Host // by architecture: accelerator, why that one, QEMU's version
}

// thisMachine looks at the host. Its guests become known with their plan.
func thisMachine() Machine {
	return Machine{CPU: hostcpu.Model(), Cores: runtime.NumCPU()}
}
