package matrix

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A Reach is how far probes got with a call site.
type Reach string

const (
	SiteDenied  Reach = "denied"        // it asked, and was refused
	AllowedOnly Reach = "open"          // it asked, and was never refused
	NotReached  Reach = "not exercised" // it never asked
)

// A Coverage says which calls of security_locked_down() in one kernel a run
// exercised.
type Coverage struct {
	Kernel, Arch       string
	Sites              []Covered
	Absent             []Absent
	WrongSite          []string // probes that never asked at the site that they name
	OutdatedExclusions []string // calls that probes got to, though they are said to be out of reach
	UnknownSites       []string // sites that the kernel counted and that are not in its machine code: the lab is wrong
}

// A Covered is a call site that is in the machine code.
type Covered struct {
	lockdown.Site
	Reach   Reach
	Checks  int
	Denials int
	Boot    bool     `json:",omitempty"` // it asks while the kernel boots
	Probes  []string // that asked there
	Why     string   `json:",omitempty"` // Unreached: what is known of it
}

// An Absent is a call site that is in the source only.
type Absent struct {
	lockdown.SourceSite
	Why string // the CONFIG symbol that is off, the architecture that has it
}

// Cover joins what is there with what the results of one kernel and
// architecture counted. why says why a call of the source (file:function) is
// not in this machine code, unreached why no probe gets to it.
func Cover(kernel, arch string, sites lockdown.Sites, results []Result, why, unreached func(call string) string) Coverage {
	c := Coverage{Kernel: kernel, Arch: arch}
	at := map[string]*Covered{}
	present := map[string]bool{}
	for _, s := range sites.Present {
		c.Sites = append(c.Sites, Covered{Site: s})
		present[s.Where()] = true
	}
	slices.SortStableFunc(c.Sites, func(a, b Covered) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, cmp.Compare(a.Name, b.Name))
	})
	for i := range c.Sites {
		at[c.Sites[i].Name] = &c.Sites[i]
	}
	met := map[string]bool{} // probe and call
	count := func(k scenarios.Check, probe string) {
		s := at[k.Site]
		if s == nil {
			if !slices.Contains(c.UnknownSites, k.Site) {
				c.UnknownSites = append(c.UnknownSites, k.Site)
			}
			return
		}
		s.Checks += k.Checks
		s.Denials += k.Denials
		if probe != "" {
			met[probe+" "+s.Where()] = true
			if !slices.Contains(s.Probes, probe) {
				s.Probes = append(s.Probes, probe)
			}
		}
	}
	allowed := map[string]bool{} // probes that got through: those must have asked
	for _, r := range results {
		if r.Kernel != kernel || r.Arch != arch {
			continue
		}
		for _, o := range r.Observations() {
			allowed[o.Probe] = allowed[o.Probe] || o.Outcome == scenarios.Allowed
			for _, k := range o.Checks {
				count(k, o.Probe)
			}
		}
		for _, m := range r.Machines {
			s := m.State(guestproto.WhenBoot)
			if s == nil {
				continue
			}
			for _, k := range s.Checks {
				if kernelTask(k.Comm) {
					count(k, "")
					if site := at[k.Site]; site != nil {
						site.Boot = true
					}
				}
			}
		}
	}
	for i := range c.Sites {
		s := &c.Sites[i]
		switch {
		case s.Denials > 0:
			s.Reach = SiteDenied
		case s.Checks > 0:
			s.Reach = AllowedOnly
		default:
			s.Reach, s.Why = NotReached, unreached(s.Where())
		}
		if s.Reach != NotReached && unreached(s.Where()) != "" {
			c.OutdatedExclusions = append(c.OutdatedExclusions, s.Where())
		}
		slices.Sort(s.Probes)
	}
	c.addBootProbes(met)
	c.WrongSite = strays(arch, allowed, met)
	for _, s := range sites.Source {
		if !present[s.Where()] {
			c.Absent = append(c.Absent, Absent{s, why(s.Where())})
		}
	}
	return c
}

// addBootProbes names, at sites that ask while the kernel boots, the probes
// that look at what came of it.
func (c *Coverage) addBootProbes(met map[string]bool) {
	for i := range c.Sites {
		s := &c.Sites[i]
		for _, row := range scenarios.Rows() {
			if s.Boot && row.CheckedAtBoot && row.Site == s.Where() && row.On(c.Arch) {
				s.Probes = append(s.Probes, row.ID)
				met[row.ID+" "+row.Site] = true
			}
		}
	}
}

// strays lists the gated probes that got through once, and never asked at
// their site.
func strays(arch string, allowed, met map[string]bool) (ids []string) {
	for _, row := range scenarios.Rows() {
		if row.Expect == scenarios.Checked && row.On(arch) && allowed[row.ID] && !met[row.ID+" "+row.Site] {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// kernelTask reports whether a comm is that of the kernel's own initialisation.
func kernelTask(comm string) bool { return comm == "swapper" || strings.HasPrefix(comm, "swapper/") }

// Count counts call sites: present, and how far probes got.
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

// Sound reports whether everything is accounted for: a reason for each call
// site that was not exercised, or that is not there, and no probe that got
// elsewhere than it says.
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
	return len(c.WrongSite) == 0 && len(c.OutdatedExclusions) == 0 && len(c.UnknownSites) == 0 && len(c.Sites) > 0
}
