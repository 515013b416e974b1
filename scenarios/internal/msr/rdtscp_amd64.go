package msr

// hasRDTSCP reports whether the processor has RDTSCP: CPUID 0x80000001, EDX bit
// 27.
func hasRDTSCP() bool {
	if eax, _ := cpuid(0x80000000); eax < 0x80000001 {
		return false
	}
	_, edx := cpuid(0x80000001)
	return edx&(1<<27) != 0
}

func cpuid(leaf uint32) (eax, edx uint32)

// rdtscp returns IA32_TSC_AUX.
func rdtscp() uint32
