package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/identity"
)

// An asker is one who does the act and is not the first process of the guest:
// whether the kernel refuses must not depend on who asks.
type asker struct {
	uid         int
	few         bool // it has only the capabilities that the act needs
	personality persona
	noNewPrivs  bool // cannot be taken back: all later askers of a process have it
	elsewhere   bool // in namespaces of its own; see Row.VaryElsewhere
	realUID     int  // the real user alone; 0: as uid
	gid         int
	thread      bool // not the first thread of the process
	batch       bool // the policy SCHED_BATCH
	root        bool // in another root directory; only elsewhere
	traced      bool // by ptrace, unless the act is Apart; only elsewhere, where one tracer serves all probes
}

// A persona is a value of personality(2) other than 0.
type persona struct {
	name  string
	value uintptr
}

var (
	noRandomize = persona{"ADDR_NO_RANDOMIZE", 0x0040000}
	linux32     = persona{"PER_LINUX32", 0x0008}
)

// askers are few combinations of what may differ. A check that is made only of
// some askers refuses the act itself, or that is a leak. It therefore has a
// condition that holds for the act's own process, and it is found by an asker
// for whom the condition does not hold: if the condition is on one thing, by any
// asker that differs in it, and if it is that one thing or another holds, by an
// asker that differs in both. Each two things differ together in an asker
// (TestAskers). The last one differs in all, but does not always reach the
// object.
//
// The n-th asker is on processor n, counted around. Acts on what belongs to one
// processor choose that one themselves.
var askers = []asker{
	{few: true, personality: linux32, realUID: 1001, thread: true},
	{uid: 1000, personality: noRandomize, noNewPrivs: true, gid: 1000},
	{elsewhere: true, personality: noRandomize, noNewPrivs: true, batch: true, root: true, traced: true},
	{elsewhere: true, uid: 1000, few: true, personality: linux32, noNewPrivs: true, realUID: 1001, gid: 1000, thread: true, batch: true, root: true, traced: true},
}

// needed are the capabilities that acts need beside those that open a file of
// root: of the call, of its setup, and of the look at the effect. The first row
// for the probe or its reason counts; an act without a row needs none.
//
// Only with CAP_SYS_ADMIN have /proc/self/pagemap and /proc/iomem addresses and
// a PCI device's configuration more than 64 bytes. With CAP_SYSLOG, what SysRq did
// to the console is put back.
var needed = []struct {
	of   string // a reason, a probe, or the begin of a probe's name that ends in *
	caps []int
}{
	{"lifted/*", []int{unix.CAP_DAC_OVERRIDE, unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_ADMIN, unix.CAP_SYSLOG}},
	{"debugfs/warn-once", []int{unix.CAP_DAC_OVERRIDE}},
	{"debugfs/0444-write", []int{unix.CAP_DAC_OVERRIDE}},
	{"debugfs/chown", []int{unix.CAP_CHOWN}},
	{"mmiotrace/test-module", []int{unix.CAP_SYS_MODULE}},
	{"kexec/load", []int{unix.CAP_SYS_BOOT, unix.CAP_SYS_ADMIN}},
	{"compat/kexec-load", []int{unix.CAP_SYS_BOOT, unix.CAP_SYS_ADMIN}},
	{"devmem/open*", []int{unix.CAP_SYS_RAWIO}},
	{"devmem/port-*", []int{unix.CAP_SYS_RAWIO}},
	{"kcore/open", []int{unix.CAP_SYS_RAWIO}},
	{"pci/resource-*", nil},
	{"pci/proc-ioctl-*", nil},
	{"hibernation/disk-*", nil},
	{"hibernation/state-*", nil},
	{"hibernation/resume-*", nil},

	{"module_signature", []int{unix.CAP_SYS_MODULE}},
	{"dev_mem", []int{unix.CAP_SYS_RAWIO, unix.CAP_SYS_ADMIN}},
	{"efi_test", []int{unix.CAP_SYS_ADMIN}},
	{"kexec", []int{unix.CAP_SYS_BOOT}},
	{"hibernation", []int{unix.CAP_SYS_ADMIN}},
	{"pci_access", []int{unix.CAP_SYS_RAWIO, unix.CAP_SYS_ADMIN}},
	{"ioport", []int{unix.CAP_SYS_RAWIO, unix.CAP_SYS_TTY_CONFIG}},
	{"msr", []int{unix.CAP_SYS_RAWIO}},
	{"tiocsserial", []int{unix.CAP_SYS_ADMIN}},
	{"module_parameters", []int{unix.CAP_SYS_MODULE}},
	{"bpf_write_user", []int{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_ADMIN}},
	{"kcore", []int{unix.CAP_SYS_RAWIO, unix.CAP_SYS_ADMIN}},
	{"kprobes", []int{unix.CAP_PERFMON}},
	{"bpf_read_kernel", []int{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN}},
	{"perf", []int{unix.CAP_PERFMON}},
	{"xfrm_secret", []int{unix.CAP_NET_ADMIN}},
}

// needs are the capabilities that the probe's act needs.
func (r Row) needs() []int {
	for _, n := range needed {
		head, open := strings.CutSuffix(n.of, "*")
		if n.of == string(r.Reason) || n.of == r.ID || open && strings.HasPrefix(r.ID, head) {
			return n.caps
		}
	}
	return nil
}

var capNames = map[int]string{
	unix.CAP_DAC_OVERRIDE: "CAP_DAC_OVERRIDE", unix.CAP_FOWNER: "CAP_FOWNER", unix.CAP_CHOWN: "CAP_CHOWN", unix.CAP_SYSLOG: "CAP_SYSLOG",
	unix.CAP_SYS_MODULE: "CAP_SYS_MODULE", unix.CAP_SYS_RAWIO: "CAP_SYS_RAWIO", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
	unix.CAP_SYS_BOOT: "CAP_SYS_BOOT", unix.CAP_SYS_TTY_CONFIG: "CAP_SYS_TTY_CONFIG", unix.CAP_BPF: "CAP_BPF",
	unix.CAP_PERFMON: "CAP_PERFMON", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN",
}

// caps are the capabilities of an asker that has few. Another user needs those
// that open a file of root, too.
func (a asker) caps(r Row) (list []int) {
	if a.uid != 0 {
		list = append(list, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER)
	}
	for _, c := range r.needs() {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// name is what differs, in words. processor is 0 if there is only one.
func (a asker) name(r Row, processor int) string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if a.elsewhere {
		add("in other namespaces (%s)", strings.Join(identity.Namespaces(), ", "))
	}
	if a.uid != 0 {
		add("as uid %d", a.uid)
	}
	if a.realUID != 0 {
		add("as real uid %d", a.realUID)
	}
	if a.gid != 0 {
		add("in group %d", a.gid)
	}
	if a.root {
		add("in another root directory")
	}
	switch caps := a.caps(r); {
	case !a.few:
		add("with every capability")
	case len(caps) == 0:
		add("without a capability")
	default:
		var names []string
		for _, c := range caps {
			names = append(names, capNames[c])
		}
		add("with %s alone", strings.Join(names, ", "))
	}
	if a.noNewPrivs {
		add("no_new_privs")
	}
	add("%s", a.personality.name)
	if a.batch {
		add("SCHED_BATCH")
	}
	if a.thread {
		add("in another thread")
	}
	if a.traced && !r.Apart {
		add("traced by ptrace")
	}
	if processor > 0 {
		add("on processor %d", processor-1)
	}
	return strings.Join(words, ", ")
}

// asked has those askers do the act that are in namespaces of their own, or those
// that are not.
func (r Row) asked(ctx context.Context, env Env, elsewhere bool) (list []Variant) {
	processors := processors()
	for n, a := range askers {
		if a.elsewhere != elsewhere {
			continue
		}
		processor := 0
		if processors > 1 {
			processor = 1 + (n+1)%processors
		}
		list = append(list, r.askedBy(ctx, env, a, processor))
	}
	return list
}

// askedBy has one asker do the act.
func (r Row) askedBy(ctx context.Context, env Env, a asker, processor int) (v Variant) {
	name := a.name(r, processor)
	who := identity.Asker{
		UID: a.uid, RealUID: a.realUID, GID: a.gid, Personality: a.personality.value, NoNewPrivs: a.noNewPrivs, Processor: processor,
		Batch: a.batch, Root: a.root,
	}
	if a.few {
		who.Caps = append([]int{}, a.caps(r)...) // not nil: none is not every
	}
	failed := func(err error) Variant {
		return Report{Outcome: Failed, Call: "become another asker", Why: err.Error()}.Vary(name)
	}
	do := func() { v = r.Do(ctx, env).Vary(name) }
	if a.traced && !r.Apart {
		if err := identity.StartTracer(); err != nil { // while every capability is there
			return failed(err)
		}
		act := do
		do = func() {
			if err := identity.Traced(act); err != nil {
				v = failed(err)
			}
		}
	}
	back, err := who.Become()
	switch {
	case err != nil:
	case a.thread:
		identity.InThread(do)
	default:
		do()
	}
	if e := back(); e != nil {
		return failed(e) // later variants would be those of another asker
	}
	if err != nil {
		return failed(err)
	}
	return v
}

// processors is how many the process may use.
func processors() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 1
	}
	return set.Count()
}

// NamespaceFlags are the flags of clone(2) for a process in which VaryElsewhere may
// run: a namespace of each kind that the kernel has and in which root keeps its
// capabilities. It reads /proc.
func NamespaceFlags() uintptr { return identity.NamespaceFlags() }
