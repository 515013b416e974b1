package tracefs

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Probed is the function that events are defined on: readlink(2) calls it, in
// every kernel. No other probe leaves a kprobe there.
const Probed = "vfs_readlink"

// An Event is an event that is defined by writing to a file of tracefs.
type Event struct {
	File   string // where it is written
	Define string // p:ldlab/name function
	Name   string // group/name, as below events/
	Config string // the symbol without which there is no such file
}

// DefineEvent defines an event, looks whether it is there, also if the kernel
// refused, and removes it. What is there is the event's directory, which can be
// found whatever is locked, or a kprobe in the list of debugfs.
func DefineEvent(e Event) observe.Report { return DefineEventBy(observe.Direct, e) }

// DefineEventBy is DefineEvent with other calls.
func DefineEventBy(c observe.Calls, e Event) observe.Report {
	path, dir := filepath.Join(Dir, e.File), filepath.Join(Dir, "events", e.Name)
	kprobed, _ := debugfs.HasKprobe(Probed)
	if kprobed || observe.Exists(dir) {
		return observe.Report{Outcome: observe.Failed, Call: observe.WriteCall(path, e.Define), Why: "the event or its kprobe exists already"}
	}
	r := DeniedIfEmpty(c.WriteText(path, e.Define), e.Config)
	if r.Outcome == observe.Unavailable {
		return r
	}
	has := observe.Exists(dir)
	look := fmt.Sprintf("lstat(%q): %t", dir, has)
	if kprobed, known := debugfs.HasKprobe(Probed); known {
		look += fmt.Sprintf(", %s in the list of kprobes: %t", Probed, kprobed)
		has = has || kprobed
	}
	r = r.Saw(has, look)
	if !has {
		return r
	}
	if removed := c.WriteText(path, "-:"+e.Name); removed.Outcome != observe.Allowed {
		r.Look += ", and stays: " + removed.Call
	}
	return r
}

// DefineKprobes defines kprobes in other ways.
func DefineKprobes() (list []observe.Variant) {
	for _, v := range []struct{ args, file, define, name string }{
		{"a return", "kprobe_events", "r:ldlab/kprobe " + Probed, "ldlab/kprobe"},
		{"a return, at most 8 at once", "kprobe_events", "r8:ldlab/kprobe " + Probed, "ldlab/kprobe"},
		{"an offset", "kprobe_events", "p:ldlab/kprobe " + Probed + "+0", "ldlab/kprobe"},
		{"an argument", "kprobe_events", "p:ldlab/kprobe " + Probed + " stack=$stack0:u64", "ldlab/kprobe"},
		{"no group", "kprobe_events", "p:ldlab_kprobe " + Probed, "kprobes/ldlab_kprobe"},
		{"dynamic_events", "dynamic_events", "p:ldlab/kprobe " + Probed, "ldlab/kprobe"},
		{"dynamic_events, a return", "dynamic_events", "r:ldlab/kprobe " + Probed, "ldlab/kprobe"},
	} {
		list = append(list, DefineEvent(Event{v.file, v.define, v.name, "CONFIG_KPROBE_EVENTS"}).Vary(v.args))
	}
	return list
}

// DefineFprobe defines an fprobe event; a kernel without them does not know the
// kind.
func DefineFprobe(define string) observe.Report {
	_, name, _ := strings.Cut(define, ":")
	name, _, _ = strings.Cut(name, " ")
	return observe.UnavailableIf(DefineEvent(Event{"dynamic_events", define, name, "CONFIG_DYNAMIC_EVENTS"}), "CONFIG_FPROBE_EVENTS", unix.EINVAL)
}
