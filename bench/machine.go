package main

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"strings"

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
	m := Machine{Cores: runtime.NumCPU()}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		m.CPU = cpuModel(f)
	}
	return m
}

// cpuModel reads the processor's name out of /proc/cpuinfo. Kernels of some
// architectures have none there.
func cpuModel(r io.Reader) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		if name, text, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(text)
		}
	}
	return runtime.GOARCH
}
