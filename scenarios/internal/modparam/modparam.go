// Package modparam reads and writes module parameters that configure hardware.
package modparam

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	ShareIRQs      = "/sys/module/8250/parameters/share_irqs"      // a hardware parameter
	ShareIRQsAlias = "/sys/module/8250_core/parameters/share_irqs" // the same variable under its old name
	SkipTxen       = "/sys/module/8250/parameters/skip_txen_test"  // an ordinary parameter

	ShareIRQsArg = "8250.share_irqs=1" // every guest's command line has it (internal/engine/profile.go)
)

// No8250 reports the missing option if a parameter of the driver does not
// exist.
func No8250(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_SERIAL_8250", unix.ENOENT)
}

// BootParam checks the effect of the parameter on the command line. If it is
// denied, the kernel logs that the value is invalid
// (kernel/params.c:parse_args, v6.12) and keeps the default: 0, or 1 with
// CONFIG_SERIAL_8250_SHARE_IRQ. Probes do not change it, because they write
// back the current value.
func BootParam() observe.Report {
	if !observe.OnCommandLine(ShareIRQsArg) {
		return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/cmdline")`, Why: "the kernel was not started with " + ShareIRQsArg}
	}
	value, r := observe.ReadText(ShareIRQs)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	log, err := observe.KernelLog()
	if err != nil {
		return observe.SetupFailed("syslog(SYSLOG_ACTION_READ_ALL)", err)
	}
	return judgeBootParam(value, log)
}

func judgeBootParam(value, log string) observe.Report {
	r := observe.Report{Call: fmt.Sprintf("%s, read(%q) = %q", ShareIRQsArg, ShareIRQs, value)}
	refused := strings.Contains(log, "`1' invalid for parameter `8250.share_irqs'")
	switch {
	case refused:
		r.Outcome, r.Call = observe.Denied, r.Call+": the kernel logs that it is invalid"
	case value == "1" || value == "Y": // uint in v6.12, bool later
		r.Outcome = observe.Allowed
	default:
		r.Outcome, r.Why = observe.Failed, "neither set nor logged as invalid"
	}
	return r
}
