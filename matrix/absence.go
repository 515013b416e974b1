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

// symbolOff is a symbol that the probe needs and that is off in the
// configuration: the one that the absence names, or else the first. It is empty
// if there is none, or if the absence names a symbol that is on or that the
// probe does not need.
func (e *evidence) symbolOff(why string) string {
	off := func(symbol string) bool { on, known := e.config[symbol]; return known && !on }
	if strings.HasPrefix(why, "CONFIG_") {
		if slices.Contains(e.row.Needs, why) && off(why) {
			return why
		}
		return ""
	}
	if i := slices.IndexFunc(e.row.Needs, off); i >= 0 {
		return e.row.Needs[i]
	}
	return ""
}

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
	case e.config[why]:
		return why + " is on"
	case !slices.Contains(e.row.Needs, why):
		return "the probe does not need " + why
	}
	return fmt.Sprintf("the kernel's configuration does not record %s", why)
}

// ready reports whether the kernel is a ready image, not one that the lab built:
// those have a source with a version and a sum.
func (o Origin) ready() bool {
	return o.ImageSHA256 != "" && o.BaseVersion == "" && o.BaseSHA256 == ""
}
