package matrix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/scenarios"
)

// A probe that reports its target as absent has measured nothing. The lab
// accepts that only if it can check the reason: the kernel's configuration has a
// symbol off that the probe needs, the architecture lacks the call, or the list
// below has it. A payload that the guest lacks, a missing QEMU device and a
// reason that the lab does not know are unproven.

// expectedAbsences lists what the lab's own kernels and machines lack by
// decision, beside what their configuration shows.
var expectedAbsences = []struct {
	probe, arch, why string
}{
	// The lab's kernels have CONFIG_X86_PAT off: with it on, each kernel takes
	// longer to start. Without it no mapping of a BAR can be write-combining.
	{"pci/resource-wc-mmap", "x86_64", "no BAR of this machine can be mapped write-combining"},
}

// listedAbsence finds the reported absence in the list; nil if it is not
// listed.
func listedAbsence(e *evidence) *struct{ probe, arch, why string } {
	for i := range expectedAbsences {
		if a := &expectedAbsences[i]; a.probe == e.row.ID && a.arch == e.guest.Arch && e.observed != nil && a.why == e.observed.Why {
			return a
		}
	}
	return nil
}

// unmet describes a need of the probe that the kernel's configuration does not
// meet: the one that the absence names, or else the first. It is empty if there
// is none, or if the absence names a need that is met or that the probe does not
// have.
func (e *evidence) unmet(why string) string {
	if strings.HasPrefix(why, "CONFIG_") {
		if slices.Contains(e.row.Needs, why) {
			return e.config.unmet(why)
		}
		return ""
	}
	for _, need := range e.row.Needs {
		// A module may be the very payload that the guest lacks.
		if e.config[need] == "m" && slices.Contains(scenarios.MissingPayloads(), why) {
			continue
		}
		if text := e.config.unmet(need); text != "" {
			return text
		}
	}
	return ""
}

// whyUnmet adds to the reason of an absence what unmet has. If that is only that
// the named symbol is off, the symbol is enough.
func (e *evidence) whyUnmet(why string) string {
	switch text := e.unmet(why); {
	case text == why+" is off":
		return why
	case strings.HasPrefix(text, why):
		return text
	default:
		return why + ": " + text
	}
}

// unmet is as in scenarios.Kernel.
func (c Config) unmet(need string) string { return scenarios.Kernel{Config: c}.Unmet(need) }

// imageLacks reports whether the kernel is a ready image whose stated reason
// the lab must accept: a symbol of an unknown configuration, or a payload,
// which the lab makes only for kernels that it builds.
func (e *evidence) imageLacks(why string) bool {
	switch {
	case !e.image:
		return false
	case slices.Contains(e.row.Needs, why):
		return e.config == nil
	}
	return slices.Contains(scenarios.MissingPayloads(), why)
}

// unexplained is the reason why a reported absence is not accepted.
func (e *evidence) unexplained() string {
	why := e.observed.Why
	switch {
	case !strings.HasPrefix(why, "CONFIG_"):
		return "nothing that the lab can check explains the absence"
	case !slices.Contains(e.row.Needs, why):
		return "the probe does not need " + why
	case e.config[strings.TrimSuffix(why, "=n")] != "":
		return strings.TrimSuffix(why, "=n") + "=" + e.config[strings.TrimSuffix(why, "=n")]
	}
	return fmt.Sprintf("the kernel's configuration does not record %s", why)
}

// ready reports whether the kernel is a ready image, not one that the lab built:
// those have a source with a version and a sum. Older results do not say it.
func (o Origin) ready() bool {
	return o.Ready || o.ImageSHA256 != "" && o.BaseVersion == "" && o.BaseSHA256 == ""
}
