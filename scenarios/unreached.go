package scenarios

// unreached says why no probe gets to a call of security_locked_down(), by
// file:function (Linux v6.12) and architecture; "" is every one. A run whose
// probes get there all the same, or that misses another, fails: the table can
// neither hide a site nor grow stale.
var unreached = map[string]map[string]string{
	"drivers/acpi/osl.c:acpi_os_get_root_pointer": {
		"": "asks with acpi_rsdp= only, before lockdown is there; any address but the one that the kernel finds itself leaves it without ACPI",
	},
	"drivers/pci/syscall.c:__do_sys_pciconfig_write": {
		"arm64": "only 32-bit tasks have the call, and CONFIG_COMPAT is off",
	},
	"kernel/trace/trace.c:tracing_set_default_clock": {
		"x86_64": "asks only where the clock is unstable; the lab's guests have tsc=reliable",
	},
	"kernel/trace/trace_stat.c:tracing_stat_open": {
		"": "no statistics are kept: CONFIG_FUNCTION_PROFILER and CONFIG_BRANCH_TRACER are off",
	},
}

// Unreached says why no probe gets to the call on the architecture; empty
// where that is not known.
func Unreached(call, arch string) string {
	if why, ok := unreached[call][arch]; ok {
		return why
	}
	return unreached[call][""]
}
