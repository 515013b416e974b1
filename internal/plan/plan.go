// Package plan turns a user's selection into a plan: which kernels are built,
// which guests run on them, and which probes run in each. It is pure: files,
// images and sources that a selection names are read before, and passed in as
// Inputs.
package plan

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A Selection is what a user selects. The zero value selects the default plan:
// the bitmap kernel on every architecture, under every default setting.
type Selection struct {
	Kernels   []string // names in the table of kernels
	Arches    []string
	Settings  []string // text forms
	Scenarios []string
	Probes    []string // scenario/probe
	AllProbes bool     // every guest runs all of them; see scenarios.Sample
	Append    string   // kernel arguments after those of the lab
	Shuffle   uint64   // seed of the order in which each guest's probes run; 0: the table's order

	Series []string // patch files or directories on top of each kernel's own series
	Source string   // text form of a kernels.Source that replaces each kernel's base
	Image  string   // a ready image that replaces the table; requires exactly one architecture
	Config string   // configuration of Image, if available
	Sites  string   // file with the call sites of Image, if available

	Modules string // directory or package with the modules of Image, if available

	Jobs []Job `json:",omitempty"` // in place of Settings, Scenarios and Probes
}

// Check reports which parts of a selection exclude each other; nil if none do.
// It reads nothing that the selection names.
func (sel Selection) Check() error {
	switch {
	case sel.Image != "" && (len(sel.Kernels) > 0 || len(sel.Series) > 0 || sel.Source != ""):
		return usagef("--image cannot be combined with --kernel, --series or --source")
	case sel.Image == "" && sel.Sites != "":
		return usagef("--sites requires --image: kernels of the table have their own call sites")
	case sel.Image == "" && sel.Modules != "":
		return usagef("--modules requires --image: kernels of the table have their own modules")
	case sel.Image == "" && sel.Config != "":
		return usagef("--config requires --image: kernels of the table have their own configuration")
	}
	return CheckAppend(sel.Append)
}

// A Build is a kernel on an architecture that guests boot.
type Build struct {
	Kernel   kernels.Kernel
	Arch     *arch.Arch       `json:"-"`
	Identity kernels.Identity // of what the kernel is built
}

// A Plan is what a run will do. It is a plain value: it can be printed without
// a boot.
type Plan struct {
	Selection Selection
	Inputs    kernels.Resolved `json:"-"` // the selection's inputs, read and checked
	Builds    []Build
	Guests    []matrix.Guest // in the order of reports: a control first, then its settings
	Probes    []string
}

// Digest identifies the plan: two plans with one digest run the same probes in
// the same settings on kernels made of the same sources. Version and digest of a
// base are left out, because a plan is the same before and after its base was
// fetched; results are bound to the bytes of the image that they ran on.
func (p *Plan) Digest() string {
	whole := struct {
		Format     int
		Identities []kernels.Identity
		Guests     []matrix.Guest
		Probes     []string
	}{Format: 1, Guests: p.Guests, Probes: p.Probes}
	for _, b := range p.Builds {
		id := b.Identity
		if p.Inputs.Image == nil {
			id.Version, id.Detail, id.SHA256 = "", "", ""
			id.Series = slices.Clone(id.Series)
			for i, s := range id.Series {
				id.Series[i] = s.Unversioned()
			}
		}
		whole.Identities = append(whole.Identities, id)
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic("plan: digest: " + err.Error()) // plain values only
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// A UsageError is a selection that cannot be planned.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// ImageKernel is the kernel's name in the plan of a ready image.
const ImageKernel = "image"

// New turns a selection into a plan. in has the inputs that the selection
// names. identify determines of what a kernel is built; if it is nil, Identity
// stays empty. Errors in the selection are a *UsageError, others are those of
// identify.
func New(t *kernels.Tables, sel Selection, in kernels.Resolved, identify func(kernels.Spec) (kernels.Identity, error)) (*Plan, error) {
	p := &Plan{Selection: sel, Inputs: in}
	err := sel.Check()
	if err != nil {
		return nil, err
	}
	pick := func() ([]string, error) { return pickProbes(sel) }
	if len(sel.Jobs) > 0 {
		pick = func() ([]string, error) { return jobProbes(sel.Jobs) }
	}
	if p.Probes, err = pick(); err != nil {
		return nil, err
	}
	if p.Builds, err = pickBuilds(t, sel, in); err != nil {
		return nil, err
	}
	settings, err := ParseSettings(sel.Settings)
	if err != nil {
		return nil, err
	}
	for _, b := range p.Builds {
		if len(sel.Jobs) > 0 {
			guests, err := jobGuests(b, sel, p.Probes)
			if err != nil {
				return nil, err
			}
			p.Guests = append(p.Guests, guests...)
			continue
		}
		wanted, sample := settings, false
		if len(wanted) == 0 {
			sample = !sel.AllProbes && len(sel.Scenarios) == 0 && len(sel.Probes) == 0
			wanted = DefaultSettings(b.Kernel.Interface, b.Arch.Name, p.Probes)
		}
		guests, err := guestsOf(b, wanted, sel)
		if err != nil {
			return nil, err
		}
		for i := range guests {
			guests[i].Sample = sample && len(guests[i].Setting.Reasons) > 0
			guests[i].ActsOnly = sample && slices.Contains(actsOnly, guests[i].Setting.String())
		}
		p.Guests = append(p.Guests, guests...)
	}
	return p, p.identify(identify)
}

// identify fills in the identities of the plan's kernels.
func (p *Plan) identify(identify func(kernels.Spec) (kernels.Identity, error)) (err error) {
	for i := range p.Builds {
		b := &p.Builds[i]
		switch {
		case p.Inputs.Image != nil:
			b.Identity = kernels.IdentifyImage(b.Kernel.Name, *p.Inputs.Image)
		case identify != nil:
			if b.Identity, err = identify(p.Spec(*b)); err != nil {
				return err
			}
		}
	}
	return nil
}

// guestsOf returns the control, once, and then the settings.
func guestsOf(b Build, settings []lockdown.Setting, sel Selection) ([]matrix.Guest, error) {
	guests := []matrix.Guest{{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Interface: b.Kernel.Interface, Setting: lockdown.Setting{Via: lockdown.Boot}, Append: sel.Append, Shuffle: sel.Shuffle}}
	seen := map[string]bool{guests[0].ID(): true}
	for _, s := range settings {
		if err := s.CheckInterface(b.Kernel.Interface); err != nil {
			return nil, usagef("kernel %s: %v", b.Kernel.Name, err)
		}
		g := matrix.Guest{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Interface: b.Kernel.Interface, Setting: s, Append: sel.Append, Shuffle: sel.Shuffle}
		if !seen[g.ID()] {
			seen[g.ID()] = true
			guests = append(guests, g)
		}
	}
	return guests, nil
}

// DefaultSettings returns the settings of a selection without one: the levels
// at boot and at run time; if single reasons can be locked, each one that the
// probes reach, those that are checked during boot also at boot, a set, and a
// level with a single reason; and, if the interface has an in-kernel function for
// it, the confidential guest.
func DefaultSettings(k lockdown.Interface, archName string, probes []string) []lockdown.Setting {
	texts := []string{"integrity@boot", "confidentiality@boot", "integrity@runtime", "confidentiality@runtime"}
	if k != lockdown.Upstream {
		reached := Reached(archName, probes)
		for _, r := range reached {
			texts = append(texts, string(r)+"@runtime")
		}
		if k.ListsReasons() {
			for _, r := range checkedAtBoot {
				if slices.Contains(reached, r) {
					texts = append(texts, string(r)+"@boot")
				}
			}
			texts = append(texts, "dev_mem,kexec@boot", "integrity,bpf_read_kernel@runtime", "dev_mem@coco")
		} else {
			texts = append(texts, "dev_mem,kexec@runtime")
		}
	}
	var settings []lockdown.Setting
	for _, text := range texts {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			panic("plan: default setting: " + err.Error())
		}
		settings = append(settings, s)
	}
	return settings
}

// actsOnly are the default settings whose guests run no variants of the acts. Each
// level is locked both at boot and at run time. The checks do not tell these apart,
// so the variants of each level run in one of its guests, and in one guest of each
// delivery.
var actsOnly = []string{"confidentiality@boot", "integrity@runtime"}

// checkedAtBoot are the reasons that the kernel checks while it boots, and whose
// lock it meets there only if it comes from the command line.
var checkedAtBoot = []lockdown.Reason{"acpi_tables", "module_parameters", "hibernation", "tracefs"}

// Reached lists the reasons that probes check on an architecture, in the
// kernel's order.
func Reached(archName string, probes []string) []lockdown.Reason {
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

// ParseSettings parses the text forms of settings. The error is a *UsageError.
func ParseSettings(texts []string) ([]lockdown.Setting, error) {
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

// CheckProbes returns an error if a selected probe or scenario does not exist. The error
// is a *UsageError.
func (sel Selection) CheckProbes() error {
	_, err := pickProbes(sel)
	return err
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

func pickBuilds(t *kernels.Tables, sel Selection, in kernels.Resolved) ([]Build, error) {
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
		return imageBuild(sel, in)
	}
	names := sel.Kernels
	if len(names) == 0 {
		names = []string{"bitmap"}
	}
	var builds []Build
	for _, name := range names {
		k, ok := t.Kernel(name)
		if !ok {
			return nil, usagef("%s", unknownKernel(t, name))
		}
		if k.Ready != "" && (sel.Source != "" || len(sel.Series) > 0) {
			return nil, usagef("kernel %s is not built, so --series and --source cannot change it", k.Name)
		}
		n := len(builds)
		for _, a := range arches {
			if k.On(a) && !slices.ContainsFunc(builds, func(b Build) bool { return b.Kernel.Name == k.Name && b.Arch == a }) {
				builds = append(builds, Build{Kernel: k, Arch: a})
			}
		}
		if len(builds) == n && !slices.ContainsFunc(builds, func(b Build) bool { return b.Kernel.Name == k.Name }) {
			return nil, usagef("kernel %s is built for %s only", k.Name, strings.Join(k.Arches, " and "))
		}
	}
	return builds, nil
}

// unknownKernel explains why the tables have no kernel of the name: there is no such
// kernel, or no such base.
func unknownKernel(t *kernels.Tables, name string) string {
	if strings.HasPrefix(name, kernels.ReadyPrefix) {
		return kernels.CheckReady(name).Error()
	}
	kernel, base, _ := strings.Cut(name, "@")
	if _, ok := t.Kernel(kernel); ok {
		return unknownText("base", base, t.Bases())
	}
	if strings.Contains(name, ":") {
		return fmt.Sprintf("unknown kernel %q: the lab fetches ready kernels of Debian only, such as %s; give another one with --image, --config and --modules", name, kernels.ReadyExamples()[0])
	}
	return unknownText("kernel", kernel, t.Names())
}

func imageBuild(sel Selection, in kernels.Resolved) ([]Build, error) {
	if in.Image == nil {
		return nil, usagef("image %s was not looked up", sel.Image)
	}
	k := kernels.Kernel{Name: ImageKernel, Title: sel.Image, Interface: in.Image.Interface}
	return []Build{{Kernel: k, Arch: in.Image.Arch}}, nil
}

// Spec returns how one of the plan's kernels is built.
func (p *Plan) Spec(b Build) kernels.Spec {
	return kernels.Spec{Kernel: b.Kernel, Arch: b.Arch, Source: p.Inputs.Source, Series: p.Inputs.Series, Below: p.Inputs.Below, Config: p.Inputs.Config}
}

// CheckShell reports why a plan does not have exactly one guest for a shell;
// nil if it has.
func (p *Plan) CheckShell() error {
	if len(p.Builds) != 1 {
		return usagef("a shell runs in one guest: give one --kernel and one --arch")
	}
	if n := len(p.Selection.Settings); n > 1 {
		return usagef("a shell runs in one guest: give one --setting, not %d", n)
	}
	return nil
}

// siteSettings are the settings of coverage and mutation: everything is locked,
// at boot and at run time. The plan adds the control.
var siteSettings = []string{"confidentiality@boot", "confidentiality@runtime"}

// ForSites selects the settings of coverage and mutation: nothing locked, and
// everything.
func ForSites(sel Selection) Selection {
	sel.Settings = siteSettings
	return sel
}
