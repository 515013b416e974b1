// Package fleet runs one plan on several machines that do not talk to each other.
// A plan is expanded once into a file; each machine runs the guests of its shard,
// which follow from the file alone; and the results are merged after an audit.
// What starts the machines is somebody else's: Slurm, Kubernetes, a CI.
package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// Format is the version of the plan's file. Every other one is an error.
const Format = 1

// maxFile bounds a plan's file, in bytes. The default plan of all kernels has less
// than 1 MiB.
const maxFile = 64 << 20

// A File is a plan that was expanded once. It is a plain value: the same file means
// the same shards on every machine.
type File struct {
	Format    int
	Lab       string // version of the lab that wrote it
	Digest    string // sha256 of the file without this field
	Plan      string // digest of the plan; see plan.Plan.Digest
	Rows      string // digest of the tables' rows of the probes; see matrix.RowsDigest
	Selection plan.Selection
	Kernels   []Kernel
	Probes    []string
	Guests    []Guest // in the order of reports
}

// A Kernel is one that guests of the plan boot.
type Kernel struct {
	Kernel   string
	Arch     string
	Identity kernels.Identity
	Seconds  float64 // what a shard that has guests of it takes in addition; see Costs
	Waits    bool    `json:",omitempty"` // it does not count its checks, so its guests mostly wait for its log
}

// A Guest is one machine of a plan with its probes: what a shard has or has not.
type Guest struct {
	ID      string  // stable: the same in every plan that has the guest
	Seconds float64 // estimate; see Costs
	Guest   matrix.Guest
}

// New expands a plan. lab is the version of this program.
func New(p *plan.Plan, costs Costs, lab string) (*File, error) {
	f := &File{Format: Format, Lab: lab, Plan: p.Digest(), Rows: matrix.RowsDigest(p.Probes), Selection: p.Selection, Probes: p.Probes}
	for _, b := range p.Builds {
		f.Kernels = append(f.Kernels, Kernel{Kernel: b.Kernel.Name, Arch: b.Arch.Name, Identity: b.Identity, Seconds: setupSeconds(b.Arch.Name), Waits: !countsChecks(b.Kernel)})
	}
	factors := costs.factors(p)
	for _, g := range p.Guests {
		f.Guests = append(f.Guests, Guest{ID: g.ID(), Seconds: costs.seconds(p, g, factors), Guest: g})
	}
	var err error
	f.Digest, err = f.digest()
	return f, err
}

// digest is the sha256 of the file's content but the digest itself.
func (f *File) digest() (string, error) {
	whole := *f
	whole.Digest = ""
	text, err := json.Marshal(whole)
	if err != nil {
		return "", fmt.Errorf("encode plan: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text)), nil
}

// Encode is the file's text.
func (f *File) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return append(text, '\n'), nil
}

// Load reads the plan's file path.
func Load(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open plan: %w", err)
	}
	defer r.Close()
	f, err := Read(r)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// Read reads a plan's file. A file that was edited or damaged, or that another
// version of the lab wrote, is an error.
func Read(r io.Reader) (*File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	var version struct{ Format int }
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, fmt.Errorf("it is not a plan of ldlab plan -o: %w", err)
	}
	if version.Format != Format {
		return nil, fmt.Errorf("its format is %d, and this lab's is %d: write it again with this ldlab", version.Format, Format)
	}
	f := &File{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it has more than one value")
	}
	return f, f.check()
}

func (f *File) check() error {
	digest, err := f.digest()
	if err != nil {
		return err
	}
	if digest != f.Digest {
		return errors.New("its digest does not match: it was edited or damaged; write it again with ldlab plan -o")
	}
	known := map[[2]string]bool{}
	for _, k := range f.Kernels {
		known[[2]string{k.Kernel, k.Arch}] = true
		if !sound(k.Seconds) {
			return fmt.Errorf("kernel %q %s costs %v s", k.Kernel, k.Arch, k.Seconds)
		}
	}
	seen := map[string]bool{}
	for _, g := range f.Guests {
		switch {
		case g.ID != g.Guest.ID() || seen[g.ID]:
			return fmt.Errorf("guest %q is there twice, or has another's id", g.ID)
		case !known[[2]string{g.Guest.Kernel, g.Guest.Arch}]:
			return fmt.Errorf("guest %q boots a kernel that the plan lacks", g.ID)
		case !sound(g.Seconds):
			return fmt.Errorf("guest %q costs %v s", g.ID, g.Seconds)
		}
		seen[g.ID] = true
	}
	return nil
}

// sound reports whether a number of seconds can be an estimate: a plan for a month
// is none.
func sound(seconds float64) bool { return seconds >= 0 && seconds < 30*24*3600 }

// Check reports why p, which this program made of the file's selection, is not the
// plan in the file; nil if it is.
func (f *File) Check(p *plan.Plan) error {
	what := ""
	switch {
	case !slices.Equal(f.Probes, p.Probes), f.Rows != matrix.RowsDigest(p.Probes):
		what = "the tables of probes"
	case !slices.EqualFunc(f.Guests, p.Guests, func(a Guest, b matrix.Guest) bool { return reflect.DeepEqual(a.Guest, b) }):
		what = "the guests"
	case f.Plan != p.Digest() && (f.Selection.Image == "" || p.Inputs.Image != nil), // a bundle has no ready image as the user gave it
		!slices.EqualFunc(f.Kernels, p.Builds, func(k Kernel, b plan.Build) bool { return same(k.Identity.SHA256, b.Identity.SHA256) }):
		what = f.differing(p)
	default:
		return nil
	}
	return fmt.Errorf("the plan is of ldlab %s, and here %s differ: use the same ldlab and the same sources, or write the plan again", f.Lab, what)
}
