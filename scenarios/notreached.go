package scenarios

import (
	"github.com/ldlab/ldlab/lockdown"
)

// notReached gives the reason why no probe reaches a call of security_locked_down(),
// by file:function (Linux v6.12) and architecture; "" is every one. A run whose
// probes reach such a call, or that misses another, fails, so the table can neither
// hide a site nor be out of date unnoticed.
var notReached = map[string]map[string]string{
	"drivers/acpi/osl.c:acpi_os_get_root_pointer": {
		"": "checks only with acpi_rsdp=, before lockdown is initialised; any address but the one that the kernel finds itself leaves it without ACPI",
	},
	"drivers/cxl/core/mbox.c:cxl_mem_raw_command_allowed": {
		"": "the machine has no CXL memory",
	},
	"drivers/mtd/devices/slram.c:init_slram": {
		"": "checks only with slram= on the command line",
	},
	"kernel/trace/trace.c:tracing_set_default_clock": {
		"x86_64": "checks only if the clock is unstable; the lab's guests have tsc=reliable",
	},
	"kernel/trace/trace_stat.c:tracing_stat_open": {
		"": "no statistics are kept: CONFIG_FUNCTION_PROFILER and CONFIG_BRANCH_TRACER are off",
	},
	"security/integrity/ima/ima_policy.c:ima_appraise_signature": {
		"": "checks only if a rule of IMA appraises kernels or modules, and no probe writes one",
	},
}

// KnownNotReached gives the reason why no probe reaches the call on the
// architecture; empty if none is known.
func KnownNotReached(call, arch string) string {
	if why, ok := notReached[call][arch]; ok {
		return why
	}
	return notReached[call][""]
}

// outOfReach gives the reason why no guest of the lab reaches any call of a reason:
// its calls are compiled on other architectures only, or QEMU models no device that
// needs them (Linux v6.12, QEMU 7.2). "" is every architecture.
var outOfReach = map[lockdown.Reason]map[string]string{
	"device_tree":          {"": "arch/powerpc/platforms/pseries only"},
	"pcmcia_cis":           {"": "QEMU has no CardBus or PCMCIA bridge"},
	"xmon_wr":              {"": "arch/powerpc/xmon only"},
	"xmon_rw":              {"": "arch/powerpc/xmon only"},
	"rtas_error_injection": {"": "arch/powerpc/kernel/rtas.c only"},
	"xen_user_actions":     {"": "checked in a Xen domU only"},
	"ioport":               {"arm64": "x86 only"},
	"msr":                  {"arm64": "x86 only"},
	"mmiotrace":            {"arm64": "x86 only"},
}

// OutOfReach gives the reason why no guest of the architecture reaches a reason; empty
// if the reason has probes.
func OutOfReach(r lockdown.Reason, arch string) string {
	if why, ok := outOfReach[r][arch]; ok {
		return why
	}
	return outOfReach[r][""]
}
