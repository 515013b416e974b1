// Package modparam reads and writes module parameters that configure hardware.
package modparam

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	ShareIRQs      = "/sys/module/8250/parameters/share_irqs"      // a hardware parameter
	ShareIRQsAlias = "/sys/module/8250_core/parameters/share_irqs" // the same variable under its old name
	SkipTxen       = "/sys/module/8250/parameters/skip_txen_test"  // an ordinary parameter
)

// BootArgs are kernel arguments of every guest. The parameter is a uint until
// v6.12 and a bool later: 2 is nobody's default, and a bool takes 0 only.
func BootArgs() []string { return []string{"8250.share_irqs=0", "8250.share_irqs=2"} }

// No8250 reports the missing option if a parameter of the driver does not
// exist.
func No8250(r observe.Report) observe.Report {
	return observe.UnavailableIf(r, "CONFIG_SERIAL_8250", unix.ENOENT)
}

// BootParam looks at the effect of the parameter on the command line. If it is
// denied, the kernel logs that the value is invalid
// (kernel/params.c:parse_args, v6.12) and keeps the default: 0, or 1 with
// CONFIG_SERIAL_8250_SHARE_IRQ. Other probes put back what they change.
func BootParam() observe.Report {
	for _, arg := range BootArgs() {
		if !observe.OnCommandLine(arg) {
			return observe.Report{Outcome: observe.Unavailable, Call: `read("/proc/cmdline")`, Why: "the kernel was not started with " + arg}
		}
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

// judgeBootParam judges by the parameter's value after the boot and by the log.
func judgeBootParam(value, log string) observe.Report {
	invalid := func(text string) bool {
		return strings.Contains(log, "`"+text+"' invalid for parameter `8250.share_irqs'")
	}
	look := fmt.Sprintf("read(%q) = %q", ShareIRQs, value)
	r := observe.Report{Call: strings.Join(BootArgs(), " ") + ", " + look}
	if value == "Y" || value == "N" { // 2 is invalid whatever is locked
		return judgeBool(r, invalid("0"), value, look)
	}
	switch {
	case invalid("0") && invalid("2"):
		r.Outcome, r.Call = observe.Denied, r.Call+": the kernel logs that both are invalid"
	case value == "2" || invalid("0") != invalid("2"): // one of them was not refused
		r.Outcome = observe.Allowed
	default:
		r.Outcome, r.Why = observe.Failed, "neither set nor logged as invalid"
	}
	if value != "0" || r.Outcome != observe.Allowed {
		r = r.Saw(value == "2", look)
	}
	return r
}

// judgeBool judges a parameter that is a bool. N may be its default, too, and then
// shows nothing.
func judgeBool(r observe.Report, refused bool, value, look string) observe.Report {
	switch {
	case refused:
		r.Outcome, r.Call = observe.Denied, r.Call+": the kernel logs that 0 is invalid"
	case value == "N":
		r.Outcome = observe.Allowed
	default:
		r.Outcome, r.Why = observe.Failed, "neither set nor logged as invalid"
	}
	if value == "Y" {
		r = r.Saw(false, look)
	}
	return r
}

// A Text makes what is written of the value to set.
type Text func(value string) string

// AsIs writes the value.
func AsIs(value string) string { return value }

// SetOther sets a parameter through sysfs to another value, looks whether it has
// it, and puts the first value back.
func SetOther(path string, text Text) observe.Report { return SetOtherBy(observe.Direct, path, text) }

// SetOtherBy is SetOther with other calls.
func SetOtherBy(c observe.Calls, path string, text Text) observe.Report {
	was, r := observe.ReadText(path)
	if r.Outcome != observe.Allowed {
		return observe.CannotRead(r)
	}
	other := otherValue(was)
	if other == "" {
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Why: fmt.Sprintf("%q is neither a number nor a bool", was)}
	}
	r = c.WriteText(path, text(other))
	is, look := observe.ReadText(path)
	if look.Outcome != observe.Allowed {
		return observe.CannotRead(look)
	}
	r = r.Saw(is != was, fmt.Sprintf("read(%q) = %q, before %q", path, is, was))
	if is == was {
		return r
	}
	c.WriteText(path, was) // what it answers does not matter
	if now, _ := observe.ReadText(path); now != was {
		r.Look += fmt.Sprintf(", and it cannot be put back: now %q", now)
	}
	return r
}

// otherValue is another value of a parameter that is a bool or a number; empty if
// it is neither.
func otherValue(was string) string {
	switch was {
	case "Y":
		return "N"
	case "N":
		return "Y"
	}
	n, err := strconv.ParseUint(was, 10, 32)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(n^4, 10)
}

// Variants are other ways to write a value.
func Variants(path string) (list []observe.Variant) {
	for _, v := range []struct {
		args string
		text Text
	}{
		{"with a newline", func(v string) string { return v + "\n" }},
		{"in hexadecimal", func(v string) string { return "0x" + v }}, // one digit
		{"zero", func(string) string { return "0" }},
		{"the largest number", func(string) string { return "4294967295" }},
	} {
		list = append(list, SetOther(path, v.text).Vary(v.args))
	}
	return list
}
