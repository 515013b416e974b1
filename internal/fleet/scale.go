package fleet

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
)

// Slots is how many guests a machine of two processors runs at once, as the model of a
// fleet has it; see engine.Stage.
const Slots = 4

// A Scale is a plan with what was measured of it, from which follows what a fleet needs.
type Scale struct {
	File    *File
	Within  time.Duration // for the whole plan
	Mutants []Mutants     // which no plan has
	Shards  []Measured    // a run of the shards of some plan
}

// Mutants are those of a kernel, as ldlab mutate ran them.
type Mutants struct {
	Kernel, Arch string
	Guests       int
	Seconds      float64 // of all of them
}

// A Measured is a shard that was run.
type Measured struct {
	Shard               Shard
	Guests              int
	Estimated, Measured float64 // seconds
}

// AddMutants reads the results of ldlab mutate.
func (s *Scale) AddMutants(path string) error {
	_, err := results.Each(path, func(r matrix.Result) {
		if r.Mutant == "" {
			return
		}
		i := slices.IndexFunc(s.Mutants, func(m Mutants) bool { return m.Kernel == r.Kernel && m.Arch == r.Arch })
		if i < 0 {
			i = len(s.Mutants)
			s.Mutants = append(s.Mutants, Mutants{Kernel: r.Kernel, Arch: r.Arch})
		}
		s.Mutants[i].Guests++
		s.Mutants[i].Seconds += took(machines(r), true) // only kernels that count have mutants
	})
	return err
}

// AddShard reads the directory of a shard that was run at one go. How long it took is
// from the header's time to the last change of its results.
func (s *Scale) AddShard(dir string) error {
	mark, err := readMark(dir)
	if err != nil {
		return err
	}
	f, err := Load(filepath.Join(dir, PlanFile))
	if err != nil {
		return err
	}
	h, err := results.Each(dir, func(matrix.Result) {})
	if err != nil {
		return err
	}
	began, err := time.Parse(time.RFC3339, h.Started)
	if err != nil {
		return fmt.Errorf("read results of %s: %w", dir, err)
	}
	info, err := os.Stat(filepath.Join(dir, results.File))
	if err != nil {
		return fmt.Errorf("read results of %s: %w", dir, err)
	}
	shard := Shard{mark.Shard, mark.Of}
	s.Shards = append(s.Shards, Measured{shard, len(f.guests(shard)), f.Seconds(shard, Slots), info.ModTime().Sub(began).Seconds()})
	return nil
}

// whole is the plan with the mutants as guests of their kernels.
func (s *Scale) whole() *File {
	f := *s.File
	f.Guests = slices.Clone(f.Guests)
	for _, m := range s.Mutants {
		for n := range m.Guests {
			f.Guests = append(f.Guests, Guest{ID: fmt.Sprintf("mutant %d", n), Seconds: m.Seconds / float64(m.Guests), Guest: matrix.Guest{Kernel: m.Kernel, Arch: m.Arch}})
		}
	}
	return &f
}

// longest is how long the longest of n shards takes, in seconds.
func longest(f *File, n int) (s float64) {
	for _, load := range f.loads(n) {
		s = max(s, load.seconds(Slots))
	}
	return s
}

// need is the smallest number of shards that all end within the limit; 0: there is none.
func need(f *File, limit float64) int {
	least := 1 // no plan is done in less than its sum
	sum := 0.0
	for _, g := range f.Guests {
		sum += g.Seconds
	}
	if limit > 0 {
		least = max(1, int(sum/Slots/limit))
	}
	for n := least; n <= min(len(f.Guests), MaxShards); n++ {
		if longest(f, n) <= limit {
			return n
		}
	}
	return 0
}

// Write writes docs/scale.md.
func (s *Scale) Write(w io.Writer) error {
	f := s.whole()
	var err error
	p := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, format, args...)
		}
	}
	p("%s\n", scaleHead)
	p("| kernel | architecture | guests | minutes of guests |\n|---|---|---:|---:|\n")
	total, guests := 0.0, 0
	row := func(name, arch string, n int, seconds float64) {
		p("| %s | %s | %d | %.1f |\n", name, arch, n, seconds/60)
		total += seconds
		guests += n
	}
	for _, k := range s.File.Kernels {
		n, sum := 0, 0.0
		for _, g := range s.File.Guests {
			if g.Guest.Kernel == k.Kernel && g.Guest.Arch == k.Arch {
				n++
				sum += g.Seconds
			}
		}
		row(k.Kernel, k.Arch, n, sum)
	}
	for _, m := range s.Mutants {
		row("mutants of "+m.Kernel, m.Arch, m.Guests, m.Seconds)
	}
	p("| all | | %d | %.1f |\n\n", guests, total/60)
	p("A machine of two processors runs %d guests at once:\n\n| machines | minutes until the last one ends |\n|---:|---:|\n", Slots)
	n := need(f, s.Within.Seconds())
	counts := []int{1, 2, 3, 4, 8, 16, 32, n}
	slices.Sort(counts)
	for _, c := range slices.Compact(counts) {
		if c > 0 {
			p("| %d | %.1f |\n", c, longest(f, c)/60)
		}
	}
	if n == 0 {
		p("\nNo number of machines is enough for %s: a single guest takes longer.\n", s.Within)
	} else {
		machines := "one machine"
		if n > 1 {
			machines = fmt.Sprintf("%d machines", n)
		}
		p("\n**All of it within %.0f minutes needs %s of two processors.**\n", s.Within.Minutes(), machines)
	}
	s.writeError(p)
	return err
}

// writeError compares the model with the shards that were run.
func (s *Scale) writeError(p func(string, ...any)) {
	if len(s.Shards) == 0 {
		return
	}
	slices.SortFunc(s.Shards, func(a, b Measured) int { return cmp.Compare(a.Shard.K, b.Shard.K) })
	p("\n## The model against a run of %d shards\n\n%s\n", len(s.Shards), scaleError)
	p("| shard | guests | estimated, s | measured, s | error |\n|---|---:|---:|---:|---:|\n")
	longestOf := Measured{}
	for _, m := range s.Shards {
		p("| %s | %d | %.0f | %.0f | %+.0f %% |\n", m.Shard, m.Guests, m.Estimated, m.Measured, 100*(m.Estimated/m.Measured-1))
		longestOf.Estimated, longestOf.Measured = math.Max(longestOf.Estimated, m.Estimated), math.Max(longestOf.Measured, m.Measured)
	}
	p("| the longest | | %.0f | %.0f | %+.0f %% |\n", longestOf.Estimated, longestOf.Measured, 100*(longestOf.Estimated/longestOf.Measured-1))
}

const scaleHead = `# What a fleet needs

Written by ` + "`make scale`" + `, from the costs of earlier runs and the model of
` + "`internal/fleet`" + `. Do not edit it.

How a plan is run on several machines: ` + "`ldlab plan -o`" + ` writes it to a file with what each
guest costs, ` + "`ldlab bundle`" + ` packs it with all that its guests boot, each machine runs
` + "`ldlab run --bundle FILE --shard K/N`" + `, and ` + "`ldlab merge`" + ` audits the results and brings them
together. [docs/ci](ci) has jobs for GitHub, GitLab, Slurm, Kubernetes and LAVA, as
` + "`ldlab gen`" + ` prints them.

The table has the default plan of each kernel. A guest that was not measured has the cost of
the table in the program, scaled by what was measured of its kind. Kernels are built
once, before, and are not in these numbers. Mutants that are patches of the source are not, either,
because each of their kernels is built first; the mutants here are those made at run time, which
` + "`ldlab mutate`" + ` runs on one machine today.
`

const scaleError = `The shards were run one after the other on one machine, with costs of an earlier run on it. What
else the machine did at that time counts as an error of the model.
`
