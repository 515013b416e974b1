//go:build !amd64

package msr

// Only x86 has these registers.

func hasRDTSCP() bool { return false }

func rdtscp() uint32 { panic("no RDTSCP") }
