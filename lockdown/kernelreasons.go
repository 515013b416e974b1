package lockdown

import (
	"fmt"
	"slices"
)

// KernelReasons are the reasons that one kernel has, in its order, as its source
// has them; nil: they are not known, and the lab's table stands for them. They
// differ between kernels: XEN_USER_ACTIONS came in a point release.
//
// Of a reason that the lab knows, its own table counts, because what the lab
// expects must not follow from the kernel under test; see Contradictions. Of
// every other one, the kernel's level and text count.
type KernelReasons []ReasonInfo

// List lists the kernel's reasons, in its order.
func (k KernelReasons) List() []ReasonInfo {
	if k == nil {
		return Reasons()
	}
	list := make([]ReasonInfo, len(k))
	for i, r := range k {
		list[i] = r
		if known, ok := Info(r.Reason); ok {
			list[i] = known
		}
	}
	return list
}

// Has reports whether the kernel has the reason, or may have it.
func (k KernelReasons) Has(r Reason) bool {
	return k == nil || slices.ContainsFunc(k, func(i ReasonInfo) bool { return i.Reason == r })
}

// Unknown lists the kernel's reasons that the lab does not know.
func (k KernelReasons) Unknown() (list []ReasonInfo) {
	for _, r := range k {
		if _, ok := Info(r.Reason); !ok {
			list = append(list, r)
		}
	}
	return list
}

// Lacking lists the lab's reasons that the kernel does not have.
func (k KernelReasons) Lacking() (list []Reason) {
	for _, r := range reasons {
		if !k.Has(r.Reason) {
			list = append(list, r.Reason)
		}
	}
	return list
}

// Contradictions lists what the lab's table claims of the kernel's reasons and the
// kernel has otherwise: level and text, a sentence each.
func (k KernelReasons) Contradictions() (list []string) {
	for _, r := range k {
		known, ok := Info(r.Reason)
		if !ok {
			continue
		}
		if r.Level != known.Level {
			list = append(list, fmt.Sprintf("reason %s is of level %s in this kernel, and the lab has %s", r.Reason, r.Level, known.Level))
		}
		if r.Label != known.Label {
			list = append(list, fmt.Sprintf("reason %s is %q in this kernel, and the lab has %q", r.Reason, r.Label, known.Label))
		}
	}
	return list
}

// Locks reports whether the setting locks a reason of the kernel.
func (k KernelReasons) Locks(s Setting, r Reason) bool {
	if s.Locks(r) {
		return true
	}
	return slices.ContainsFunc(k.Unknown(), func(i ReasonInfo) bool { return i.Reason == r && i.Level <= s.Level })
}

// Beyond lists the single reasons of the setting that the kernel does not have.
func (k KernelReasons) Beyond(s Setting) (list []Reason) {
	for _, r := range s.Reasons {
		if !k.Has(r) {
			list = append(list, r)
		}
	}
	return list
}

// Another chooses another reason that the kernel has, of the same level or of the other
// one; empty if the reason is not known.
func (k KernelReasons) Another(r Reason, sameLevel bool) Reason {
	own, ok := Info(r)
	if !ok {
		return ""
	}
	all := slices.DeleteFunc(Reasons(), func(i ReasonInfo) bool { return i != own && !k.Has(i.Reason) })
	i := slices.Index(all, own)
	for n := range all {
		other := all[(i+1+n)%len(all)]
		if other != own && (other.Level == own.Level) == sameLevel {
			return other.Reason
		}
	}
	return ""
}
