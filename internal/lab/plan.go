// Package lab runs a plan: it builds kernels and guests, boots them, and
// keeps what they saw. It is the only package that knows all the others.
package lab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Selection is what a user asks for. The zero value asks for the default
// plan: the bitmap kernel on every architecture, under every default setting.
type Selection struct {
	Kernels   []string // names in the table of kernels
	Arches    []string
	Settings  []string // text forms
	Scenarios []string
	Probes    []string // scenario/probe

	Series []string // patch files or directories on top of each kernel's own series
	Source string   // text form of a kernels.Source, instead of each kernel's base
	Image  string   // a ready image instead of the table; needs exactly one architecture
	Config string   // that image's configuration, where it is at hand
}

// A Build is a kernel on an architecture: what the guests of a plan boot.
type Build struct {
	Kernel kernels.Kernel
	Arch   *arch.Arch
}

// A Plan is what a run will do. It is a plain value: it can be printed, and
// printing it boots nothing.
type Plan struct {
	Selection Selection
	Source    *kernels.Source // nil: each kernel's own base
	Builds    []Build
	Guests    []matrix.Guest // in the order of the report: a control first, then its settings
	Probes    []string
}

// A UsageError is a selection that cannot be planned.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// ImageKernel is the kernel's name in the plan of a ready image.
const ImageKernel = "image"

// NewPlan turns a selection into a plan. Every error is a *UsageError.
func NewPlan(t *kernels.Tables, sel Selection) (*Plan, error) {
	p := &Plan{Selection: sel}
	var err error
	if sel.Source != "" {
		src, err := kernels.ParseSource(sel.Source)
		if err != nil {
			return nil, &UsageError{err.Error()}
		}
		p.Source = &src
	}
	if p.Probes, err = pickProbes(sel); err != nil {
		return nil, err
	}
	if p.Builds, err = pickBuilds(t, sel); err != nil {
		return nil, err
	}
	settings, err := parseSettings(sel.Settings)
	if err != nil {
		return nil, err
	}
	for _, b := range p.Builds {
		wanted := settings
		if len(wanted) == 0 {
			wanted = DefaultSettings(b.Kernel.Interface, b.Arch.Name, p.Probes)
		}
		guests, err := guestsOf(b, wanted)
		if err != nil {
			return nil, err
		}
		p.Guests = append(p.Guests, guests...)
	}
	return p, nil
}

// guestsOf puts the control before the settings, once.
func guestsOf(b Build, settings []lockdown.Setting) ([]matrix.Guest, error) {
	guests := []matrix.Guest{{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Interface: b.Kernel.Interface, Setting: lockdown.Setting{Via: lockdown.Boot}}}
	seen := map[string]bool{guests[0].ID(): true}
	for _, s := range settings {
		if err := s.CheckInterface(b.Kernel.Interface); err != nil {
			return nil, usagef("kernel %s: %v", b.Kernel.Name, err)
		}
		g := matrix.Guest{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Interface: b.Kernel.Interface, Setting: s}
		if !seen[g.ID()] {
			seen[g.ID()] = true
			guests = append(guests, g)
		}
	}
	return guests, nil
}

// DefaultSettings is what is run where no setting was asked for: the levels at
// boot and at run time; where single reasons can be locked, each one that the
// probes reach, a set, and a level with a single reason on top; and, where
// there is an in-kernel interface, the confidential guest.
func DefaultSettings(k lockdown.Interface, archName string, probes []string) []lockdown.Setting {
	texts := []string{"integrity@boot", "confidentiality@boot", "integrity@runtime", "confidentiality@runtime"}
	if k != lockdown.Upstream {
		for _, r := range reached(archName, probes) {
			texts = append(texts, string(r)+"@runtime")
		}
		if k == lockdown.Bitmap {
			texts = append(texts, "dev_mem,kexec@boot", "integrity,bpf_read_kernel@runtime", "dev_mem@coco")
		} else {
			texts = append(texts, "dev_mem,kexec@runtime")
		}
	}
	var settings []lockdown.Setting
	for _, text := range texts {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			panic("lab: default setting: " + err.Error())
		}
		settings = append(settings, s)
	}
	return settings
}

// reached lists the reasons that gate the probes on an architecture, in the
// kernel's order.
func reached(archName string, probes []string) []lockdown.Reason {
	gates := map[lockdown.Reason]bool{}
	for _, id := range probes {
		if row, ok := scenarios.Find(id); ok && row.On(archName) && row.Expect == scenarios.Checked {
			gates[row.Reason] = true
		}
	}
	var rs []lockdown.Reason
	for _, info := range lockdown.Reasons() {
		if gates[info.Reason] {
			rs = append(rs, info.Reason)
		}
	}
	return rs
}

func parseSettings(texts []string) ([]lockdown.Setting, error) {
	var settings []lockdown.Setting
	for _, text := range texts {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			if unknown, ok := err.(*lockdown.UnknownError); ok {
				return nil, usagef("setting %q: %s", text, unknownText(unknown.What, unknown.Word, unknown.Known))
			}
			return nil, &UsageError{err.Error()}
		}
		settings = append(settings, s)
	}
	return settings, nil
}

func pickProbes(sel Selection) ([]string, error) {
	var names, ids []string
	for _, s := range scenarios.All() {
		names = append(names, s.Name)
	}
	for _, r := range scenarios.Rows() {
		ids = append(ids, r.ID)
	}
	for _, s := range sel.Scenarios {
		if !slices.Contains(names, s) {
			return nil, usagef("%s", unknownText("scenario", s, names))
		}
	}
	for _, p := range sel.Probes {
		if !slices.Contains(ids, p) {
			return nil, usagef("%s", unknownText("probe", p, ids))
		}
	}
	if len(sel.Scenarios) == 0 && len(sel.Probes) == 0 {
		return ids, nil
	}
	var picked []string
	for _, id := range ids {
		scenario, _, _ := strings.Cut(id, "/")
		if slices.Contains(sel.Scenarios, scenario) || slices.Contains(sel.Probes, id) {
			picked = append(picked, id)
		}
	}
	return picked, nil
}

func pickBuilds(t *kernels.Tables, sel Selection) ([]Build, error) {
	for _, name := range sel.Arches {
		if arch.Get(name) == nil {
			return nil, usagef("%s", unknownText("architecture", name, arch.Names()))
		}
	}
	var arches []*arch.Arch
	for _, a := range arch.All() {
		if len(sel.Arches) == 0 || slices.ContainsFunc(sel.Arches, func(n string) bool { return arch.Get(n) == a }) {
			arches = append(arches, a)
		}
	}
	if sel.Image != "" {
		return imageBuild(sel, arches)
	}
	if sel.Config != "" {
		return nil, usagef("--config says how an --image was built; kernels of the table have their own")
	}
	names := sel.Kernels
	if len(names) == 0 {
		names = []string{"bitmap"}
	}
	var builds []Build
	for _, name := range names {
		k, ok := t.Kernel(name)
		if !ok {
			return nil, usagef("%s", unknownText("kernel", name, t.Names()))
		}
		n := len(builds)
		for _, a := range arches {
			if k.On(a) && !slices.ContainsFunc(builds, func(b Build) bool { return b.Kernel.Name == k.Name && b.Arch == a }) {
				builds = append(builds, Build{k, a})
			}
		}
		if len(builds) == n && !slices.ContainsFunc(builds, func(b Build) bool { return b.Kernel.Name == k.Name }) {
			return nil, usagef("kernel %s is built for %s only", k.Name, strings.Join(k.Arches, " and "))
		}
	}
	return builds, nil
}

func imageBuild(sel Selection, arches []*arch.Arch) ([]Build, error) {
	switch {
	case len(sel.Kernels) > 0 || len(sel.Series) > 0 || sel.Source != "":
		return nil, usagef("--image is run as it is: it goes without --kernel, --series and --source")
	case len(arches) != 1:
		a, err := imageArch(sel.Image)
		if err != nil {
			return nil, &UsageError{err.Error()}
		}
		arches = []*arch.Arch{a}
	}
	b, err := kernels.OpenImage(sel.Image, arches[0], sel.Config)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	return []Build{{kernels.Kernel{Name: ImageKernel, Title: sel.Image, Interface: b.Interface}, arches[0]}}, nil
}
