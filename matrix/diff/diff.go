package diff

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Diff is what changed from one kernel, or one run, to another, on one
// architecture.
type Diff struct {
	From, To string // kernel, and version of its base
	Arch     string

	Reasons []ReasonChange `json:",omitempty"` // that one of both has
	Calls   []CallChange   // checks that the machine code of one has, and that of the other has not
	Changes []Change       // cells with another verdict
	Guests  []GuestChange  `json:",omitempty"` // that ended otherwise
	Slower  []Slowdown     `json:",omitempty"`
	Times   string         `json:",omitempty"` // why times were not compared; empty: they were
	Missing []string       `json:",omitempty"` // settings and probes that one of both does not have: nothing is known of them
	Same    int            // cells with the same verdict
}

// A CallChange is a function that checks a reason in one of two kernels only, or
// at another number of call sites.
type CallChange struct {
	Call        string // file:function
	From        string `json:",omitempty"` // of a call that moved: the file:function in which it was
	Reason      lockdown.Reason
	Before, Now int // call sites
}

// A ReasonChange is a reason that one of two kernels has.
type ReasonChange struct {
	Reason lockdown.Reason
	Came   bool // it is new; otherwise it is gone
}

// compareReasons lists the reasons that one of two kernels has; none if those of one
// are not known.
func compareReasons(b, n lockdown.KernelReasons) (list []ReasonChange) {
	if b == nil || n == nil {
		return nil
	}
	for _, r := range b {
		if !n.Has(r.Reason) {
			list = append(list, ReasonChange{r.Reason, false})
		}
	}
	for _, r := range n {
		if !b.Has(r.Reason) {
			list = append(list, ReasonChange{r.Reason, true})
		}
	}
	return list
}

// A ChangeKind says what a change of a verdict means.
type ChangeKind string

// The kinds of change, the gravest first.
const (
	NewlyLeaking     ChangeKind = "leaking"
	NewlyUnexpected  ChangeKind = "not as expected" // another verdict that a sound kernel does not get
	NewlyLost        ChangeKind = "lost"            // or not run
	GapOpened        ChangeKind = "gap opened"      // it was denied, and is a known gap now
	NewlyAllowed     ChangeKind = "allowed"         // it was denied, and is allowed as expected now
	NewlyUnavailable ChangeKind = "unavailable"
	NewlyFlaky       ChangeKind = "flaky"
	NewlyKnown       ChangeKind = "known issue" // unexpected, and accepted
	GapClosing       ChangeKind = "gap closed"  // it was a known gap, and is denied now
	NewlyEnforced    ChangeKind = "enforced"
	NewlyOpen        ChangeKind = "open" // it was unexpected or unavailable
	OtherChange      ChangeKind = "other"
)

// ChangeKinds lists the kinds, the gravest first.
func ChangeKinds() []ChangeKind {
	return []ChangeKind{NewlyLeaking, NewlyUnexpected, NewlyLost, NewlyFlaky, NewlyKnown, GapOpened, NewlyAllowed, NewlyUnavailable, GapClosing, NewlyEnforced, NewlyOpen, OtherChange}
}

// A Change is a probe whose verdict changed in the same way in some settings.
type Change struct {
	Kind        ChangeKind
	Probe       string
	Before, Now matrix.Verdict
	Settings    []string
	Why         string `json:",omitempty"` // of the first setting's verdict now
	Rule        string `json:",omitempty"` // of the same; all settings have matrix.NoControl, or none
}

// Regressed reports whether a cell has an unexpected verdict and had an expected one,
// or was a known issue and is none now, or whether a guest ended well before and does
// not now, or its kernel reports another bug of its own. Time is no regression, because
// it is the host's, too.
func (d Diff) Regressed() bool {
	accepted := func(v matrix.Verdict) bool { return v.Expected() || v == matrix.Known }
	return slices.ContainsFunc(d.Changes, func(c Change) bool { return accepted(c.Before) && !accepted(c.Now) }) ||
		slices.ContainsFunc(d.Guests, func(g GuestChange) bool { return g.Worse })
}

// Compare compares the tables of two matrices that have the same architecture:
// those of the kernels from and to, or, if these are empty, those of kernels with
// the same name. It is an error if there is nothing to compare.
func Compare(before, now *matrix.Matrix, from, to string) ([]Diff, error) {
	var list []Diff
	for _, b := range before.Tables {
		for _, n := range now.Tables {
			same := b.Kernel == n.Kernel
			if from != "" || to != "" {
				same = b.Kernel == from && n.Kernel == to
			}
			if same && b.Arch == n.Arch {
				list = append(list, compareTables(b, n, before.Header.Kernel(b.Kernel, b.Arch), now.Header.Kernel(n.Kernel, n.Arch)))
			}
		}
	}
	if len(list) == 0 {
		if from == "" {
			return nil, fmt.Errorf("compare results: no kernel and architecture is in both: %s; %s", tableNames(before), tableNames(now))
		}
		return nil, fmt.Errorf("compare results: %s and %s are not both there for one architecture: %s; %s", from, to, tableNames(before), tableNames(now))
	}
	return list, nil
}

// Slim takes out of a matrix what Compare does not look at, which is most of it, so that
// two fit into memory.
func Slim(m *matrix.Matrix) {
	for _, t := range m.Tables {
		for _, r := range t.Rows {
			for i := range r.Cells {
				if o := r.Cells[i].Observed; o != nil {
					r.Cells[i].Observed = &scenarios.Observation{Probe: o.Probe, Duration: o.Duration}
				}
			}
		}
	}
}

func tableNames(m *matrix.Matrix) string {
	var names []string
	for _, t := range m.Tables {
		names = append(names, t.Kernel+" "+t.Arch)
	}
	return strings.Join(names, ", ")
}

func compareTables(b, n matrix.Table, bk, nk matrix.Kernel) Diff {
	d := Diff{From: titleOf(bk), To: titleOf(nk), Arch: b.Arch, Reasons: compareReasons(bk.Reasons, nk.Reasons), Calls: compareCalls(bk, nk)}
	columns, rows := map[string]int{}, map[string]matrix.TableRow{}
	for i, c := range b.Columns {
		columns[c.Setting.String()] = i
	}
	for _, r := range b.Rows {
		rows[r.Probe] = r
	}
	d.Missing = missing(b, n)
	sameProbes := !slices.ContainsFunc(d.Missing, func(name string) bool { return strings.HasPrefix(name, "probe ") })
	d.Guests = compareGuests(b, n)
	d.Slower, d.Times = compareTimes(b, n, sameProbes)
	for _, r := range n.Rows {
		old, ok := rows[r.Probe]
		if !ok {
			continue
		}
		for i, c := range n.Columns {
			if j, ok := columns[c.Setting.String()]; ok {
				d.cell(r.Probe, c.Setting.String(), old.Cells[j], r.Cells[i])
			}
		}
	}
	order := ChangeKinds()
	slices.SortStableFunc(d.Changes, func(x, y Change) int { return slices.Index(order, x.Kind) - slices.Index(order, y.Kind) })
	return d
}

// missing lists the settings and probes that only one of two tables has.
func missing(b, n matrix.Table) (list []string) {
	names := func(t matrix.Table) (all []string) {
		for _, c := range t.Columns {
			all = append(all, "setting "+c.Setting.String())
		}
		for _, r := range t.Rows {
			all = append(all, "probe "+r.Probe)
		}
		return all
	}
	before, now := names(b), names(n)
	for _, name := range before {
		if !slices.Contains(now, name) {
			list = append(list, name+" (gone)")
		}
	}
	for _, name := range now {
		if !slices.Contains(before, name) {
			list = append(list, name+" (new)")
		}
	}
	return list
}

// titleOf names a kernel with the version of its base.
func titleOf(k matrix.Kernel) string {
	o := k.Origin
	title := strings.TrimSpace(k.Name + " " + cmp.Or(o.BaseVersion, o.Release))
	if o.Ready && o.BaseVersion == "" { // every image of a user has the same name
		title += fmt.Sprintf(" (%s, sha256 %.12s)", path.Base(o.Base), o.ImageSHA256)
	}
	return title
}

// cell adds one cell to the diff.
func (d *Diff) cell(probe, setting string, before, now matrix.Cell) {
	switch {
	case before.Verdict == now.Verdict && before.Seen() == now.Seen():
		d.Same++
		return
	case before.Verdict == matrix.NotPlanned || now.Verdict == matrix.NotPlanned:
		return // one of the two plans has less
	}
	for i := range d.Changes {
		if c := &d.Changes[i]; c.Probe == probe && c.Before == before.Verdict && c.Now == now.Verdict && (c.Rule == matrix.NoControl) == (now.Rule == matrix.NoControl) {
			c.Settings = append(c.Settings, setting)
			return
		}
	}
	d.Changes = append(d.Changes, Change{changeKind(before.Verdict, now.Verdict), probe, before.Verdict, now.Verdict, []string{setting}, now.Why, now.Rule})
}

func changeKind(before, now matrix.Verdict) ChangeKind {
	denied := func(v matrix.Verdict) bool {
		return v == matrix.Enforced || v == matrix.Shadowed || v == matrix.GapClosed
	}
	switch {
	case now == matrix.Flaky:
		return NewlyFlaky
	case now == matrix.Known:
		return NewlyKnown
	case now == matrix.Leak:
		return NewlyLeaking
	case now == matrix.Lost || now == matrix.NotRun:
		return NewlyLost
	case !now.Expected():
		return NewlyUnexpected
	case now == matrix.OpenGap && denied(before):
		return GapOpened
	case now == matrix.Open && denied(before):
		return NewlyAllowed
	case now == matrix.Unavailable:
		return NewlyUnavailable
	case denied(now) && before == matrix.OpenGap:
		return GapClosing
	case denied(now) && !denied(before):
		return NewlyEnforced
	case now == matrix.Open || now == matrix.OpenGap || now == matrix.Conforms:
		return NewlyOpen
	}
	return OtherChange
}

// compareCalls compares which functions check which reason, and at how many call
// sites.
func compareCalls(b, n matrix.Kernel) (list []CallChange) {
	type call struct {
		where  string
		reason lockdown.Reason
	}
	count := func(k matrix.Kernel) map[call]int {
		calls := map[call]int{}
		for site, where := range k.Calls {
			calls[call{where, k.Asks[site]}]++
		}
		return calls
	}
	before, now := count(b), count(n)
	if len(before) == 0 || len(now) == 0 {
		return nil // the call sites of one are not known
	}
	all := map[call]bool{}
	for c := range before {
		all[c] = true
	}
	for c := range now {
		all[c] = true
	}
	for c := range all {
		if before[c] != now[c] {
			list = append(list, CallChange{Call: c.where, Reason: c.reason, Before: before[c], Now: now[c]})
		}
	}
	slices.SortFunc(list, func(x, y CallChange) int {
		return strings.Compare(x.Call+" "+string(x.Reason), y.Call+" "+string(y.Reason))
	})
	return moved(list)
}

// moved joins a call that is gone and one of the same reason and number that is new in
// a function of the same name in another file: code that moves takes its calls along.
// Whether a call moved into a helper depends on who calls that; see package changes.
func moved(list []CallChange) []CallChange {
	for i := range list {
		n := &list[i]
		if n.Before > 0 || n.Now == 0 || n.Reason == "" {
			continue
		}
		j := slices.IndexFunc(list, func(c CallChange) bool {
			return c.Gone() && c.Reason == n.Reason && c.Before == n.Now && functionOf(c.Call) == functionOf(n.Call)
		})
		if j >= 0 {
			n.From, n.Before = list[j].Call, list[j].Before
			list[j].Before = 0 // it is told with the new one
		}
	}
	return slices.DeleteFunc(list, func(c CallChange) bool { return c.Before == 0 && c.Now == 0 })
}

// Gone reports whether a function does not check the reason any more.
func (c CallChange) Gone() bool { return c.Now == 0 && c.Before > 0 }

func functionOf(call string) string { _, function, _ := strings.Cut(call, ":"); return function }
