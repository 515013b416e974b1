// Package matrix turns observations into verdicts. It is pure: no os, no exec,
// no net. The same results give the same matrix.
package matrix

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix/rows"
	"github.com/ldlab/ldlab/scenarios"
)

// Format is the version of the results file. An earlier one that is at least
// OldestFormat is read, too; every other one is an error.
const (
	Format       = 4
	OldestFormat = 3 // Config has bools: y and m were the same
)

// A Header is what all results of a run have in common: the plan and the
// kernels.
type Header struct {
	Format  int
	Lab     string // version of the lab
	Started string // RFC 3339
	Digest  string // of the plan: results of another plan are not part of the run
	Plan    []Guest
	Probes  []string // in the order of every report
	Rows    string   `json:",omitempty"` // RowsDigest of Probes in the lab that ran them
	Kernels []Kernel // one for each kernel and architecture of the plan
}

// A Kernel describes a kernel of the run. It comes from the build, or from a
// ready image and its configuration, and not from guests.
type Kernel struct {
	Name   string
	Arch   string
	Origin Origin
	Config Config                     `json:",omitempty"` // the CONFIG symbols that rows depend on, as the kernel was built; nil if unknown
	Calls  map[string]string          `json:",omitempty"` // file:function of the source by the name under which the kernel counts a call site
	Asks   map[string]lockdown.Reason `json:",omitempty"` // the reason that the source of a call site asks for, by the same name

	Reasons lockdown.KernelReasons `json:",omitempty"` // that the kernel has; nil: not known
}

// functions are the file:function of the kernel that have a call of
// security_locked_down(); nil if the call sites are not known.
func (k Kernel) functions() map[string]bool {
	if len(k.Calls) == 0 {
		return nil
	}
	list := map[string]bool{}
	for _, where := range k.Calls {
		list[where] = true
	}
	return list
}

// version is the kernel's: that of its source, or, of a ready image, what a
// guest of it reports; empty if neither is known.
func (k Kernel) version(r *Result) string {
	if k.Origin.BaseVersion != "" || r == nil {
		return k.Origin.BaseVersion
	}
	for i := range r.Machines {
		if s := r.Machines[i].State(guestproto.WhenBoot); s != nil {
			return s.Release
		}
	}
	return ""
}

// A Config has the values of CONFIG symbols as .config has them, and n for a
// symbol that is off.
type Config map[string]string

// UnmarshalJSON reads the values of format 3, too. A symbol that was on is taken
// for built in, which explains no absence.
func (c *Config) UnmarshalJSON(text []byte) error {
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	*c = nil
	for symbol, value := range values {
		if *c == nil {
			*c = Config{}
		}
		switch v := value.(type) {
		case bool:
			(*c)[symbol] = map[bool]string{true: "y", false: "n"}[v]
		case string:
			(*c)[symbol] = v
		default:
			return fmt.Errorf("read configuration: %s is neither text nor a bool", symbol)
		}
	}
	return nil
}

// A Host is the machine that ran a guest. Results of different hosts are never
// mixed: a control holds for cells of its own host only.
type Host struct {
	Arch    string // of the guest
	Accel   string // tcg or kvm
	Why     string // why that accelerator
	QEMU    string // first line of "qemu-system-... --version"
	CPU     string // CPU model of the guest, as QEMU names it
	Machine string `json:",omitempty"` // name and processor, if several machines ran the plan
}

// Same reports whether two hosts ran guests in the same way, whatever the
// reason for the accelerator, and whichever machine of that kind it was.
func (h Host) Same(o Host) bool {
	h.Why, h.Machine = o.Why, o.Machine
	return h == o
}

// A Guest is one machine of a plan: kernel x arch x setting.
type Guest struct {
	Kernel    string
	Arch      string
	Interface lockdown.Interface
	Setting   lockdown.Setting
	Append    string                `json:",omitempty"` // kernel arguments after those of the lab
	Shuffle   uint64                `json:",omitempty"` // seed of the order in which its probes run; 0: the table's order
	Sample    bool                  `json:",omitempty"` // it runs scenarios.Sample of the plan's probes, and not all of them
	Job       string                `json:",omitempty"` // what it is for, if it is not the only guest of its setting
	Only      []string              `json:",omitempty"` // it runs only these of the plan's probes
	Steps     []scenarios.Step      `json:",omitempty"` // it does only these: see scenarios.StepsID
	Machine   scenarios.MachineKind `json:",omitempty"` // of the steps
	ActsOnly  bool                  `json:",omitempty"` // it runs no variants of the acts, because another guest of the plan has the same level and does
}

// Probes lists those of the plan's probes that the guest runs.
func (g Guest) Probes(planned []string) []string {
	switch {
	case len(g.Steps) > 0:
		return []string{scenarios.StepsOn(g.Machine)}
	case len(g.Only) > 0:
		return g.Only
	case !g.Sample:
		return planned
	}
	return scenarios.Sample(planned, g.Setting, g.Arch)
}

// An Origin identifies what was booted.
type Origin struct {
	Base        string // name of the base, or the path of a ready image
	BaseVersion string
	BaseSHA256  string
	Series      []string // name, number of patches and sha256 of each
	Compiler    string
	ImageSHA256 string
	GuestSHA256 string // the initramfs

	Ready    bool   `json:",omitempty"` // a ready image, which the lab did not build
	Release  string `json:",omitempty"` // of a ready image, as its uname -r has it
	Modules  string `json:",omitempty"` // SHA-256 of the modules that a user gave for a ready image
	Packages string `json:",omitempty"` // of a distribution's kernel: name, version and sha256 of each
}

// Same reports whether two guests booted the same kernel and ran the same guest
// program.
func (o Origin) Same(p Origin) bool {
	return o.ImageSHA256 == p.ImageSHA256 && o.GuestSHA256 == p.GuestSHA256
}

// A Result is the result of one guest: one line of results.jsonl.
type Result struct {
	Guest
	Mutant   string `json:",omitempty"` // command of the lab series (see Mutant.Command); empty: the kernel as it is
	Again    bool   `json:",omitempty"` // it is a second run of a guest that ended well, because a cell was not as expected
	Host     Host   // the host that ran it
	Origin   Origin
	Machines []MachineRun // in the order in which they ran
	End      End
	Tries    int // 2 if the guest was lost once and ran again, alone
}

// A MachineRun is one machine of a guest: the plain one, and one for each
// machine profile that its probes need.
type MachineRun struct {
	Profile      string `json:",omitempty"` // empty: the plain machine
	Command      string // the command line that repeats this boot
	Forked       bool   `json:",omitempty"` // it is a copy of a booted guest and did not boot itself
	Timing       []Phase
	States       []scenarios.State
	Observations []scenarios.Observation
}

// An Ending is how a guest ended, and whose fault it was.
type Ending string

const (
	Ended       Ending = "ended"      // it ran the probes and powered off
	LostByGuest Ending = "lost"       // it panicked, hung, reset or went silent
	FailedByLab Ending = "lab failed" // the host or the lab failed: nothing follows about the kernel
)

// An End describes how a guest ended. The zero value is a good end.
type End struct {
	Ending  Ending   `json:",omitempty"` // empty: Ended
	Cause   string   `json:",omitempty"` // LostByGuest: panic, hang, reset, ...
	Detail  string   `json:",omitempty"` // one line
	Console []string `json:",omitempty"` // LostByGuest: the console's last lines
	Command string   `json:",omitempty"` // the command line that repeats the boot of the failed machine
	Log     string   `json:",omitempty"` // file with the whole console, relative to the run's directory
}

// Well reports whether the guest ran its probes and powered off.
func (e End) Well() bool { return e.Ending == "" || e.Ending == Ended }

// Lost reports whether the guest did not end well by its own fault.
func (e End) Lost() bool { return e.Ending == LostByGuest }

// Failed reports whether the lab or its host failed.
func (e End) Failed() bool { return e.Ending == FailedByLab }

// String gives the end in one line: "panic: Kernel panic - not syncing".
func (e End) String() string {
	switch {
	case e.Well():
		return string(Ended)
	case e.Cause == "":
		return e.Detail
	}
	return e.Cause + ": " + e.Detail
}

// NoPort is why the guest's program could not talk to the lab, as it wrote it to the
// console; empty if it could, or if it wrote nothing. A module that could not be loaded
// is the cause, unless the kernel lacks the driver of another one. It is final if the
// kernel lacks a driver; otherwise the port may only have been late.
func (e End) NoPort() (why string, final bool) {
	var failed []string
	for _, line := range e.Console {
		_, text, found := strings.Cut(line, guestproto.OnConsole)
		switch {
		case found && strings.HasPrefix(text, guestproto.LoadFailed):
			failed = append(failed, text)
		case found && strings.HasPrefix(text, guestproto.NoPort):
			driver, final := strings.CutPrefix(text, guestproto.NoDriver)
			for _, f := range failed {
				if !final || strings.Contains(f, "-"+driver+".ko: ") {
					return f, final
				}
			}
			return text, final
		}
	}
	return "", false
}

// A Phase is a phase of a guest, and when it was reached.
type Phase struct {
	Name string
	MS   int64 // since QEMU was started, ms
}

// Plain returns the guest's plain machine; an empty run if it did not start.
func (r *Result) Plain() MachineRun {
	for _, m := range r.Machines {
		if m.Profile == "" {
			return m
		}
	}
	return MachineRun{}
}

// Command is the command line that repeats the guest's boot: of the failed
// machine, or else of the plain one.
func (r *Result) Command() string {
	if r.End.Command != "" {
		return r.End.Command
	}
	return r.Plain().Command
}

// State returns a machine's state at a moment; nil if it was not reached.
func (m *MachineRun) State(when string) *scenarios.State {
	for i := range m.States {
		if s := &m.States[i]; s.When == when {
			return s
		}
	}
	return nil
}

// observation returns a guest's observation of a probe and the machine in which
// it ran; nil if it did not run.
func (r *Result) observation(probe string) (*scenarios.Observation, *MachineRun) {
	for i := range r.Machines {
		m := &r.Machines[i]
		for j := range m.Observations {
			if m.Observations[j].Probe == probe {
				return &m.Observations[j], m
			}
		}
	}
	return nil, nil
}

// Observations lists the observations of all of a guest's machines.
func (r *Result) Observations() (all []scenarios.Observation) {
	for _, m := range r.Machines {
		all = append(all, m.Observations...)
	}
	return all
}

// RowsDigest is rows.Digest.
func RowsDigest(probes []string) string { return rows.Digest(probes) }

// OtherRows describes the difference if the probes ran in a lab with other
// rows. It is empty if the rows are the same.
func (h Header) OtherRows() string {
	own := rows.Digest(h.Probes)
	if h.Rows == own {
		return ""
	}
	theirs := "no digest"
	if h.Rows != "" {
		theirs = fmt.Sprintf("sha256 %.12s", h.Rows)
	}
	return fmt.Sprintf("%s (lab %s), and this binary's are sha256 %.12s", theirs, h.Lab, own)
}

// Checking lists the probes of the guest that make a check, and not at boot.
func (r *Result) Checking(is func(scenarios.Check) bool) (probes []string) {
	for _, o := range r.Observations() {
		row, ok := scenarios.Find(o.Probe)
		if ok && row.Expect == scenarios.Checked && !row.CheckedAtBoot && slices.ContainsFunc(o.Checks, is) {
			probes = append(probes, o.Probe)
		}
	}
	return probes
}

// Kernel returns the record of a kernel; the zero value if there is none.
func (h Header) Kernel(name, arch string) Kernel {
	for _, k := range h.Kernels {
		if k.Name == name && k.Arch == arch {
			return k
		}
	}
	return Kernel{Name: name, Arch: arch}
}
