// Package hostcpu names this host's processor.
package hostcpu

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Model is the model of the processor; its architecture if the kernel does not show the
// model.
func Model() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	return modelIn(f)
}

// modelIn reads the model out of /proc/cpuinfo. Kernels of some architectures have none
// there, arm64 among them.
func modelIn(r io.Reader) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		if name, text, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(text)
		}
	}
	return runtime.GOARCH
}

// Machine is the host's name, its processor and the number of its processors.
func Machine() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	return fmt.Sprintf("%s: %s, %d processors", name, Model(), runtime.NumCPU())
}
