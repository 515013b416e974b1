package scenarios

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	shareIRQs      = "/sys/module/8250/parameters/share_irqs"      // a hardware parameter
	shareIRQsAlias = "/sys/module/8250_core/parameters/share_irqs" // the same variable under its old name
	skipTxen       = "/sys/module/8250/parameters/skip_txen_test"  // a parameter like any other

	shareIRQsArg = "8250.share_irqs=1" // every guest's command line has it (internal/engine/profile.go)
)

func init() { register("modparam", modparamScenario) }

// A parameter made by module_param_hw is asked for wherever one is set: on the
// kernel's command line and at module load by kernel/params.c:parse_one,
// through sysfs by param_attr_store. Both call param_check_unsafe, v6.12.
func modparamScenario() Scenario {
	const site = "kernel/params.c:param_check_unsafe"
	serial := []string{"CONFIG_SERIAL_8250"}
	return Scenario{
		Name:  "modparam",
		Title: "set module parameters that steer hardware",
		Probes: []Probe{
			{
				Name: "sysfs", Call: writeAct(shareIRQs, "as it is"),
				Reason: "module_parameters", Site: site, Needs: serial,
				Act: func(context.Context, Env) Result { return no8250(rewrite(shareIRQs)) },
			},
			{
				Name: "load", Call: `finit_module(ldlab_nop, "irq=1")`,
				// The module is signed: module_signature does not come into it.
				Reason: "module_parameters", Site: site, Needs: []string{"CONFIG_MODULES"},
				Act: func(context.Context, Env) Result { return loadModule(ModuleSigned, "irq=1", 0) },
			},
			{
				Name: "boot", Call: shareIRQsArg + " on the command line",
				Reason: "module_parameters", Site: site, Needs: serial, CheckedAtBoot: true,
				Act: func(context.Context, Env) Result { return no8250(bootParam()) },
			},
			{
				Name: "load-safe", Call: `finit_module(ldlab_nop, "flag=1")`, Expect: Unchecked,
				Reason: "module_parameters", Site: site, Needs: []string{"CONFIG_MODULES"},
				Act: func(context.Context, Env) Result { return loadModule(ModuleSigned, "flag=1", 0) },
			},
			{
				Name: "sysfs-read", Call: fmt.Sprintf("read(%q)", shareIRQs), Expect: Unchecked,
				Reason: "module_parameters", Site: "kernel/params.c:param_attr_show", Needs: serial,
				Act: func(context.Context, Env) Result { _, r := readText(shareIRQs); return no8250(r) },
			},
			{
				Name: "sysfs-safe", Call: writeAct(skipTxen, "as it is"), Expect: Unchecked,
				Reason: "module_parameters", Site: site, Needs: serial,
				Act: func(context.Context, Env) Result { return no8250(rewrite(skipTxen)) },
			},
			{
				Name: "alias", Call: writeAct(shareIRQsAlias, "as it is"), Expect: Gap,
				Source: "drivers/tty/serial/8250/8250_platform.c:s8250_options, v6.12: module_param_cb makes the old name of the parameter without KERNEL_PARAM_FL_HWPARAM",
				Reason: "module_parameters", Site: site,
				Needs: []string{"CONFIG_SERIAL_8250", "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS"},
				Act: func(context.Context, Env) Result {
					return absent(rewrite(shareIRQsAlias), "CONFIG_SERIAL_8250_DEPRECATED_OPTIONS", unix.ENOENT)
				},
			},
		},
	}
}

// no8250 says what is missing where a parameter of the driver is.
func no8250(r Result) Result { return absent(r, "CONFIG_SERIAL_8250", unix.ENOENT) }

// bootParam sees what became of the parameter on the command line. Refused,
// the kernel says that its value is invalid (kernel/params.c:parse_args,
// v6.12), and it keeps its default: 0, but 1 with CONFIG_SERIAL_8250_SHARE_IRQ.
// No probe changes it, for sysfs writes write what is there.
func bootParam() Result {
	if !onCommandLine(shareIRQsArg) {
		return Result{Outcome: Unavailable, Call: `read("/proc/cmdline")`, Why: "the kernel was not started with " + shareIRQsArg}
	}
	value, r := readText(shareIRQs)
	if r.Outcome != Allowed {
		return unread(r)
	}
	log, err := kernelLog()
	if err != nil {
		return failed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	return judgeBootParam(value, log)
}

func judgeBootParam(value, log string) Result {
	r := Result{Call: fmt.Sprintf("%s, read(%q) = %q", shareIRQsArg, shareIRQs, value)}
	refused := strings.Contains(log, "`1' invalid for parameter `8250.share_irqs'")
	switch {
	case refused:
		r.Outcome, r.Call = Denied, r.Call+": the kernel says that it is invalid"
	case value == "1" || value == "Y": // uint in v6.12, bool later
		r.Outcome = Allowed
	default:
		r.Outcome, r.Why = Failed, "neither taken nor said to be invalid"
	}
	return r
}
