// Package scenarios holds the rows of the matrix: one file a feature, one
// probe an entry. It is linked into the lab and into the guest program; only
// the guest runs probes.
package scenarios

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/lockdown"
)

// A Scenario is the probes of one feature.
type Scenario struct {
	Name   string // one word; the part of a probe's name before the slash
	Title  string // one line: what root could do here
	Probes []Probe
}

// An Expectation is what is expected of a probe on an unlocked and on a locked
// kernel.
type Expectation int

const (
	// Checked probes are expected to be denied if their reason is locked, and
	// to be allowed otherwise.
	Checked Expectation = iota
	// Unchecked probes are expected to be allowed whatever is locked. They are
	// the negative controls.
	Unchecked
	// ABI probes exercise lockdown's own interface. Their answers are compared
	// with the model in package lockdown.
	ABI
	// Gap probes reach what their reason protects by a way that lockdown does
	// not check. They are expected to be allowed whatever is locked. A kernel
	// that denies one because of its reason has closed the gap.
	Gap
	// Steps are acts that a finding brings along. The finding has the answers that
	// are expected.
	Steps
)

var expectationNames = [...]string{"checked", "unchecked", "ABI", "gap", "steps"}

func (e Expectation) String() string { return expectationNames[e] }

// A Probe is one concrete act from user space that reaches one call site of
// security_locked_down(). Its parts are what is claimed of it, where the claim
// holds, when it may run, and how it is done.
type Probe struct {
	Claim
	Where
	Schedule
	Act
}

// A Claim is what the lab expects of a probe.
type Claim struct {
	Name   string          // within the scenario; lower case, digits, dashes
	Call   string          // the act in strace's notation
	Reason lockdown.Reason // the reason that the call site checks; of an Unchecked probe: the reason that must not refuse it
	Expect Expectation

	// ShadowedBy are other reasons that are checked before the act reaches its
	// site. If one of them is locked, the act is denied and the kernel names
	// that reason.
	ShadowedBy []Shadow

	// Source is the source of a Gap: function and version, advisory or thread.
	Source string

	// Class is what is known of the maintainers' opinion on a Gap.
	Class GapClass

	// ClosedBy is the function, file:function, in which a check would close a
	// Gap; empty: that of Where.Site.
	ClosedBy string
}

// A Schedule is when and beside what a probe may run.
type Schedule struct {
	// Lines is the largest number of denial lines that the kernel logs for one
	// denied run; 0 means 1. The guest paces its probes by it, because the
	// kernel prints at most 10 lines in 5 s.
	Lines int

	// AltersLock is set if the probe changes what is locked. It then runs last.
	AltersLock bool

	// Once is set if the act has no variants: it takes long, and does acts that
	// have variants in probes of their own.
	Once bool

	// Machine names the kind of machine the probe needs; empty: the plain one.
	Machine MachineKind

	// Exclusive is set if the probe stops the guest or takes it down. No other
	// probe runs in that guest.
	Exclusive bool
}

// An Act is how a probe is done. It has Setup or Do.
type Act struct {
	// Setup runs the first half of the act while nothing is locked. It returns
	// the second half, which runs in the same process once the setting is in
	// force, or nil and the probe's final Report. If the setting is delivered
	// at boot, it is in force before Setup runs.
	Setup func(context.Context, Env) (act func(context.Context) Report, r Report)

	// Do does the act and undoes it. It runs in a child process of its own,
	// named for the probe, and is killed at its deadline.
	Do func(context.Context, Env) Report

	// Apart is set if Do has another thread or process make the calls. Who does the
	// act is then not traced; see Row.VaryElsewhere.
	Apart bool

	// More does the act with other arguments and undoes it each time. It runs
	// in another child than Do, after every probe of the guest has run; see
	// Row.Vary.
	More func(context.Context, Env) []Variant
}

// A Shadow is a reason that refuses an act before its own site is reached.
type Shadow struct {
	Reason lockdown.Reason
	Why    string

	// AbsentIfLockedAtBoot is as in Probe, if the shadowing reason is locked at
	// boot.
	AbsentIfLockedAtBoot bool

	// AtBoot is set if only a lock at boot refuses the act.
	AtBoot bool
}

// A MachineKind is a kind of machine, by name. What it is made of is the lab's
// business (internal/engine/profile.go).
type MachineKind string

const (
	Plain    MachineKind = ""
	Debugger MachineKind = "debugger" // a serial port whose other end the host's debugger holds
	Held     MachineKind = "held"     // like the plain one; its probes keep until the lock what would disturb other probes
	Firmware MachineKind = "firmware" // booted through UEFI, with ACPI tables and EFI variables
	Tables   MachineKind = "tables"   // with ACPI tables in memory that are not the firmware's, and RSDPArg
)

// An Observation is a Report and the evidence that the guest program collected
// with it.
type Observation struct {
	Probe string // scenario/probe
	Report
	Comm     string    // the comm of the child: attribution hangs on it
	Log      []string  `json:",omitempty"` // the kernel's log lines that name Comm
	LogWhole bool      `json:",omitempty"` // the kernel's limit on lines suppressed none of the last run
	Checks   []Check   `json:",omitempty"` // what the kernel counted for Comm, if it counts
	Variants []Variant `json:",omitempty"` // what Row.Vary reported
	Left     []string  `json:",omitempty"` // what the probe left in another state than before, a sentence each
	Runs     int       // how often it ran: a denial that lost its line is observed again
	StartNS  int64     // since the guest program started, ns
	Duration int64     // of the last run, ns
}

// A State is what the guest's kernel shows of itself, raw.
type State struct {
	When    string // guestproto.WhenBoot, WhenLocked or WhenEnd
	Release string // uname -r
	Version string // uname -v
	Machine string // uname -m
	Cmdline string // /proc/cmdline
	LSM     string // /sys/kernel/security/lsm
	Level   string // /sys/kernel/security/lockdown
	Reasons string // /sys/kernel/security/lockdown_reasons; empty if there is none

	// Counts is set if this kernel counts its checks (the lab series): evidence
	// is then in Checks, and Log is only what the limit on lines let through.
	Counts bool
	Checks []Check  `json:",omitempty"` // at boot: counted since the kernel started, by its own tasks
	Log    []string `json:",omitempty"` // at boot: the denial lines until then, of a kernel that does not count

	// Splats are the kernel's reports of its own bugs that were logged since the
	// state before, or since the kernel started: warnings, BUGs, what lockdep found.
	Splats []string `json:",omitempty"`

	// Errors lists what could not be read: open("...") = ENOENT.
	Errors []string `json:",omitempty"`

	// Marks are the moments of this boot; only in the first state.
	Marks []Mark `json:",omitempty"`
}

// A Check is what the lab series counted of one call site of
// security_locked_down() for one reason and one comm.
type Check struct {
	Site    string // symbol+0xoffset/0xsize of the return address, and [module]
	Label   string // the reason, as the kernel's log names it
	Comm    string
	Checks  int // times it was reached
	Denials int // times it was refused
}

// A Mark is a moment of a boot, by the clock of the kernel's log.
type Mark struct {
	Name string
	NS   int64 // since the kernel's first message, ns
}

// registry keeps scenarios by name; each file registers its own. A scenario is
// made when it is first used: the children of an emulated guest, which
// need one row each, would take longer for all of the tables than for a probe.
var registry []*registered

// A registered scenario can be made.
type registered struct {
	name string
	make func() Scenario
	once sync.Once
	made Scenario
}

// register adds a scenario.
//
//go:noinline
func register(name string, scenario func() Scenario) {
	registry = append(registry, &registered{name: name, make: scenario})
}

// scenario makes the scenario, once.
func (r *registered) scenario() Scenario {
	r.once.Do(func() {
		r.made = r.make()
	})
	return r.made
}

// check panics if an entry is malformed: the table is wrong, and no run
// could be believed.
func (s Scenario) check(name string) {
	if s.Name != name {
		panic(fmt.Sprintf("scenarios: %s is registered as %s", s.Name, name))
	}
	seen := map[string]bool{}
	for _, p := range s.Probes {
		if seen[p.Name] || (p.Do == nil) == (p.Setup == nil) || p.Call == "" || (p.Expect == Gap) != (p.Source != "") {
			panic(fmt.Sprintf("scenarios: %s/%s is a duplicate or incomplete", s.Name, p.Name))
		}
		seen[p.Name] = true
	}
}

// All lists every scenario by name. It panics if the table is malformed.
func All() []Scenario {
	var all []Scenario
	for _, r := range registry {
		s := r.scenario()
		s.check(r.name)
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	for i := range all[:max(0, len(all)-1)] {
		if all[i].Name == all[i+1].Name {
			panic("scenarios: duplicate " + all[i].Name)
		}
	}
	return all
}

// A Row is a probe under its full name, scenario/probe.
type Row struct {
	ID string
	Probe

	// The rest is set by Of.

	Undecided   *Condition // depends on a symbol whose value is not known
	Absent      string     // why the kernel does not have the target; empty: it has
	DeniedLater bool       // see ThenDeniedLater
}

// Rows lists every probe, in the order in which they run and are reported:
// those that change what is locked come last.
func Rows() []Row {
	var rows []Row
	for _, s := range All() {
		for _, p := range s.Probes {
			rows = append(rows, Row{ID: s.Name + "/" + p.Name, Probe: p})
		}
	}
	sort.SliceStable(rows, func(i, j int) bool { return !rows[i].AltersLock && rows[j].AltersLock })
	return rows
}

// Find looks a probe up by its full name, on any architecture.
func Find(id string) (Row, bool) {
	scenario, name, _ := strings.Cut(id, "/")
	for _, r := range registry {
		if r.name != scenario {
			continue
		}
		for _, p := range r.scenario().Probes {
			if p.Name == name {
				return Row{ID: id, Probe: p}, true
			}
		}
	}
	return stepsRow(id)
}
