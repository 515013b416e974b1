// Package changes compares the kernels of a patch series with those of its base: what a
// review tells. It is pure.
package changes

import (
	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
)

// A Review is what a series of patches changes: in the source, in the kernels that are
// built of it, and in what root can do on them. It is a plain value.
type Review struct {
	Series    string            // as it was given
	Title     string            `json:",omitempty"`
	Interface string            // of the kernels with the series
	Notes     []string          `json:",omitempty"` // what is strange in its mails
	Base      Base              // what it was applied to
	Lab       string            // version of the lab
	Patches   []Patch           // in the order in which they are applied
	Arches    []Arch            // what the kernels showed; empty if none could be built
	Prototype *TextChange       `json:",omitempty"` // of security_locked_down(), if it changed
	Mails     []string          `json:",omitempty"` // whom the change concerns, by the base's own get_maintainer.pl
	KUnit     []KUnitRun        `json:",omitempty"` // of the suites that the series adds
	Broken    string            `json:",omitempty"` // why no kernel with the series could be measured
	Command   string            // that repeats the review
	Settings  []string          `json:",omitempty"`
	Machines  map[string]string `json:",omitempty"` // QEMU and accelerator, by architecture
}

// A Base is the source to which a series was applied.
type Base struct {
	Name    string // in the table of bases, or the text form of a source
	Version string
	Detail  string   `json:",omitempty"` // package, commit or path
	Tried   []string `json:",omitempty"` // each source that was looked at, and what came of it
}

// A Patch is one patch of a series.
type Patch struct {
	Name    string // of the file or mail
	Subject string
	Title   string // the subject without the tags in front of it: the same in two versions
	Files   []string
	Hunks   []Hunk `json:",omitempty"`

	Fuzz        []string `json:",omitempty"` // hunks that applied with other context than theirs
	Build       []string `json:",omitempty"` // why the source does not build after this patch, an architecture each
	Warnings    []string `json:",omitempty"` // of the compiler with W=1, that the patch adds
	NotCompiled []string `json:",omitempty"` // files that no configuration of the lab compiles
	Checkpatch  []string `json:",omitempty"`
}

// A Hunk is one hunk of a patch, for quoting.
type Hunk struct {
	File  string
	Head  string // the function, mostly
	Lines []string
}

// An Arch is the difference on one architecture.
type Arch struct {
	Arch      string
	Diff      diff.Diff
	New       []diff.Change  `json:",omitempty"` // unexpected verdicts in settings that the base does not have
	Reasons   []ReasonShift  `json:",omitempty"` // what changed in enum lockdown_reason and its texts
	Answers   []AnswerChange `json:",omitempty"` // of the securityfs files
	Unchecked []Unchecked    `json:",omitempty"` // checks that the same acts met before, and do not meet now
	Callers   []CallerChange `json:",omitempty"` // ways into call sites that came or went
	Splats    []string       `json:",omitempty"` // what the kernel with the series reported of its own bugs, and the base did not
	Boots     []string       `json:",omitempty"` // guests of the series that did not end well
	Image     [2]int64       // size of the kernel image, bytes: base, series
	Boot      [2]int64       // from the start of QEMU to the guest program's first word, ms, the fastest of all boots; 0: none
	Each      []EachChange   `json:",omitempty"` // which patch changed a cell, if each was tried
}

// A KUnitRun is one run of the KUnit suites that a series adds.
type KUnitRun struct {
	Arch  string
	When  string // at boot, again, at boot with a level locked
	Tests []ktap.Test

	Locked  bool   `json:",omitempty"` // a level was locked
	Refused bool   `json:",omitempty"` // a suite could not be started: the ones before it left lockdown on
	Lost    string `json:",omitempty"` // how the guest ended; empty: well
}

// A TextChange is a text before and after a series.
type TextChange struct{ Before, Now string }

// A ReasonShift is one change of the kernel's reasons, as a sentence.
type ReasonShift struct {
	Reason lockdown.Reason
	Grave  bool // it is a mistake: a reason without a text
	Text   string
}

// An AnswerChange is an operation on a file of lockdown's that the kernel answers in
// another way.
type AnswerChange struct {
	Probe    string
	Op       string // without the answer
	Before   string
	Now      string
	Settings []string
}

// An Unchecked is a reason that the kernel checked during an act of the base, and does not
// check, or less often, during the same act with the series.
type Unchecked struct {
	Probe       string
	Reason      string   // of the kernel's own table, or the text of its log line
	Before, Now int      // checks, in the setting in which most of them went
	Settings    []string // in which that is so
}

// A CallerChange is a way into a call site that one of two kernels has.
type CallerChange struct {
	Site, Name string
	Came       bool
}

// An EachChange is the patch after which a cell first had the verdict that it has with
// the whole series.
type EachChange struct {
	Probe, Setting string
	Patch          string // its name
	Now            matrix.Verdict
}
