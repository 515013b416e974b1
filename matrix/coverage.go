package matrix

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Reach is the effect of the probes on a call site.
type Reach string

const (
	SiteDenied  Reach = "denied"        // it was checked, and denied
	AllowedOnly Reach = "open"          // it was checked, and never denied
	NotReached  Reach = "not exercised" // it was never checked
)

// A Coverage lists the calls of security_locked_down() in one kernel, and which
// of them a run exercised.
type Coverage struct {
	Kernel, Arch       string
	Sites              []Covered
	Callers            []CoveredCaller // the ways into the sites of the kernel itself; empty if they are not known
	Absent             []Absent
	WrongSite          []string // probes that never reached the site that they name
	OutdatedExclusions []string // calls that probes reached although the tables list them as not reachable
	UnknownSites       []string // sites that the kernel counted and that are not in its machine code: the lab is wrong
}

// A Covered is a call of the source that is in the machine code. The compiler may have
// made several call sites of it, because it copied the function into its callers: one
// of them that is exercised is enough.
type Covered struct {
	lockdown.Site          // the first of them
	Copies        []string `json:",omitempty"` // the names of the others
	Reach         Reach
	Checks        int
	Denials       int
	Boot          bool     `json:",omitempty"` // it is checked while the kernel boots
	Probes        []string // that reached it
	Why           string   `json:",omitempty"` // NotReached: the known reason; empty: there is none
}

// An Absent is a call site that is in the source only.
type Absent struct {
	lockdown.SourceSite
	Why string // the CONFIG symbol that is off, or the architecture that has it; empty: not known
}

// A Target is a kernel whose call sites are to be covered.
type Target struct {
	Kernel, Arch string
	Version      string // of the base, such as 6.12.117: call sites differ by version
	Sites        lockdown.Sites
	// WhyAbsent gives the reason why a call of the source (file:function) is not
	// in the machine code, WhyNotReached the reason why no probe reaches it.
	// Both give an empty string if no reason is known.
	WhyAbsent, WhyNotReached func(call string) string

	Callers []lockdown.Caller // in the machine code; empty if they are not known
	Listed  []Listed          // those that the kernel should have
}

// Cover joins the call sites of a kernel with the counts in the results of that
// kernel and architecture.
func Cover(target Target, results []Result) Coverage {
	n := newCounting(target)
	for _, r := range results {
		if r.Kernel == target.Kernel && r.Arch == target.Arch {
			n.add(r)
		}
	}
	n.classify(target.WhyNotReached)
	n.addBootProbes()
	n.findWrongSites()
	n.findAbsent(target)
	n.findCallers(target)
	return n.coverage
}

// A counting is an unfinished Coverage.
type counting struct {
	coverage Coverage
	version  string
	calls    map[string]bool     // the file:function in the source that have a call
	at       map[string]*Covered // by the kernel's name of the site
	met      map[string]bool     // "PROBE CALL": the probe reached the call
	allowed  map[string]bool     // probes whose act was allowed once: they must have reached their site

	passed, denied map[string]bool // "PROBE: VARIANT" that was allowed with nothing locked, and denied otherwise
}

func newCounting(target Target) *counting {
	n := &counting{version: target.Version, calls: map[string]bool{}, coverage: Coverage{Kernel: target.Kernel, Arch: target.Arch}, at: map[string]*Covered{}, met: map[string]bool{}, allowed: map[string]bool{}, passed: map[string]bool{}, denied: map[string]bool{}}
	for _, s := range target.Sites.Source {
		n.calls[s.Where()] = true
	}
	c := &n.coverage
	for _, s := range target.Sites.Present {
		if i := slices.IndexFunc(c.Sites, func(o Covered) bool { return sameCall(o.Site, s) }); i >= 0 {
			c.Sites[i].Copies = append(c.Sites[i].Copies, s.Name)
			continue
		}
		c.Sites = append(c.Sites, Covered{Site: s})
	}
	slices.SortStableFunc(c.Sites, func(a, b Covered) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, cmp.Compare(a.Name, b.Name))
	})
	for i := range c.Sites {
		n.at[c.Sites[i].Name] = &c.Sites[i]
		for _, name := range c.Sites[i].Copies {
			n.at[name] = &c.Sites[i]
		}
	}
	return n
}

// sameCall reports whether two call sites are of one call in the source.
func sameCall(a, b lockdown.Site) bool {
	return a.File != "" && a.Module == b.Module && a.Where() == b.Where() && a.Line == b.Line && a.Reason == b.Reason
}

// add counts the checks of a result.
func (n *counting) add(r Result) {
	for _, o := range r.Observations() {
		n.allowed[o.Probe] = n.allowed[o.Probe] || o.Outcome == scenarios.Allowed
		for _, k := range o.Checks {
			n.count(k, o.Probe)
		}
		n.vary(r, o)
	}
	for _, m := range r.Machines {
		s := m.State(guestproto.WhenBoot)
		if s == nil {
			continue
		}
		for _, k := range s.Checks {
			// A worker makes most of tracefs (kernel/trace/trace.c:tracer_init_tracefs, v6.12).
			if kernelTask(k.Comm) || strings.HasPrefix(k.Comm, "kworker/") {
				n.count(k, "")
			}
		}
	}
}

// count adds a check of a probe, or, if probe is empty, of the kernel's boot.
func (n *counting) count(k scenarios.Check, probe string) {
	s := n.at[k.Site]
	if s == nil {
		if !slices.Contains(n.coverage.UnknownSites, k.Site) {
			n.coverage.UnknownSites = append(n.coverage.UnknownSites, k.Site)
		}
		return
	}
	s.Checks += k.Checks
	s.Denials += k.Denials
	if probe == "" {
		s.Boot = true
		return
	}
	n.met[probe+" "+s.Where()] = true
	if !slices.Contains(s.Probes, probe) {
		s.Probes = append(s.Probes, probe)
	}
}

// classify determines the reach of each site, and lists outdated exclusions.
func (n *counting) classify(whyNotReached func(call string) string) {
	for i := range n.coverage.Sites {
		s := &n.coverage.Sites[i]
		why := whyNotReached(s.Where())
		switch {
		case s.Denials > 0:
			s.Reach = SiteDenied
		case s.Checks > 0:
			s.Reach = AllowedOnly
		default:
			s.Reach, s.Why = NotReached, why
		}
		if s.Reach != NotReached && why != "" {
			n.coverage.OutdatedExclusions = append(n.coverage.OutdatedExclusions, s.Where())
		}
		slices.Sort(s.Probes)
	}
}

// rows are all rows as they hold for the kernel's version, with the call sites that
// its source has.
func (n *counting) rows() []scenarios.Row {
	rows := scenarios.Rows()
	for i := range rows {
		rows[i] = rows[i].Of(scenarios.Kernel{Version: n.version, Calls: n.calls})
	}
	return rows
}

// addBootProbes adds the probes that observe the effect of sites that are
// checked during boot.
func (n *counting) addBootProbes() {
	for i := range n.coverage.Sites {
		s := &n.coverage.Sites[i]
		for _, row := range n.rows() {
			if s.Boot && row.CheckedAtBoot && row.Site == s.Where() && row.On(n.coverage.Arch) {
				s.Probes = append(s.Probes, row.ID)
				n.met[row.ID+" "+row.Site] = true
			}
		}
	}
}

// findWrongSites lists the checked probes that were allowed once, and never
// reached the site that they name.
func (n *counting) findWrongSites() {
	for _, row := range n.rows() {
		if row.Expect == scenarios.Checked && row.On(n.coverage.Arch) && n.allowed[row.ID] && !n.met[row.ID+" "+row.Site] {
			n.coverage.WrongSite = append(n.coverage.WrongSite, row.ID)
		}
	}
}

// findAbsent lists the calls of the source that are not in the machine code.
func (n *counting) findAbsent(target Target) {
	present := map[string]bool{}
	for _, s := range target.Sites.Present {
		present[s.Where()] = true
	}
	for _, s := range target.Sites.Source {
		if !present[s.Where()] {
			n.coverage.Absent = append(n.coverage.Absent, Absent{s, target.WhyAbsent(s.Where())})
		}
	}
}

// Count counts the calls of the source that are present, that were denied, and that were
// checked but never denied.
func (c Coverage) Count() (present, refused, open int) {
	for _, s := range c.Sites {
		switch s.Reach {
		case SiteDenied:
			refused++
		case AllowedOnly:
			open++
		}
	}
	return len(c.Sites), refused, open
}

// Sound reports whether a reason is known for each call site that was not
// exercised or is absent, and for each caller that no probe goes through, no caller is lost, every probe reached the site that it names, and the
// tables are up to date.
func (c Coverage) Sound() bool {
	for _, s := range c.Sites {
		if s.Reach == NotReached && s.Why == "" {
			return false
		}
	}
	for _, a := range c.Absent {
		if a.Why == "" {
			return false
		}
	}
	return len(c.WrongSite) == 0 && len(c.OutdatedExclusions) == 0 && len(c.UnknownSites) == 0 && len(c.Sites) > 0 && c.callersSound()
}
