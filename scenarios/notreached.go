package scenarios

import (
	"github.com/ldlab/ldlab/lockdown"
)

// A distance is why no probe reaches a call of security_locked_down().
type distance struct {
	why   string
	arch  string   // where it holds; empty: on every architecture
	unset []string // CONFIG symbols that all must be off for it to hold
}

// notReached has the calls that no probe reaches, by file:function (Linux v6.12). A
// run whose probes reach such a call, or that misses another, fails, so the table
// can neither hide a site nor be out of date unnoticed.
var notReached = map[string]distance{
	"drivers/acpi/osl.c:acpi_os_get_root_pointer":                {arch: "arm64", why: "checks only with acpi_rsdp=, for which the lab has tables of an x86_64 machine alone"},
	"drivers/cxl/core/mbox.c:cxl_mem_raw_command_allowed":        {why: "the machine has no CXL memory"},
	"drivers/mtd/devices/slram.c:init_slram":                     {why: "checks only with slram= on the command line"},
	"kernel/trace/trace.c:tracing_set_default_clock":             {arch: "x86_64", why: "checks only if the clock is unstable; the lab's guests have tsc=reliable"},
	"kernel/trace/trace_stat.c:tracing_stat_open":                {why: "no statistics are kept: CONFIG_FUNCTION_PROFILER and CONFIG_BRANCH_TRACER are off", unset: []string{"CONFIG_FUNCTION_PROFILER", "CONFIG_BRANCH_TRACER"}},
	"security/integrity/ima/ima_policy.c:ima_appraise_signature": {why: "checks only if a rule of IMA appraises kernels or modules, and no probe writes one"},
}

// KnownNotReached gives the reason why no probe reaches the call on the
// architecture, with the configuration; empty if none is known.
func KnownNotReached(call, arch string, config func(symbol string) (value string, known bool)) string {
	d := notReached[call]
	if d.arch != "" && d.arch != arch {
		return ""
	}
	for _, symbol := range d.unset {
		if value, known := config(symbol); known && value != "n" {
			return ""
		}
	}
	return d.why
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
