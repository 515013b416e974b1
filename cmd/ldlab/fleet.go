package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/about"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/fleet"
	"github.com/ldlab/ldlab/internal/hostcpu"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
)

// writePlan writes the plan's file.
func writePlan(c *cobra.Command, p *plan.Plan, out string, dirs []string) error {
	var costs fleet.Costs
	if latest := filepath.Join("out", "latest"); dirs == nil {
		if _, err := os.Stat(latest); err == nil {
			dirs = []string{latest}
		}
	}
	for _, dir := range dirs {
		if err := costs.Add(dir); err != nil {
			return fileError{err}
		}
	}
	f, err := fleet.New(p, costs, about.Version())
	if err != nil {
		return err
	}
	text, err := f.Encode()
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(out, text, 0o644); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	var total float64
	for _, g := range f.Guests {
		total += g.Seconds
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: %s, about %.0f s of guests, plan %.12s\n", out, words.Count(len(f.Guests), "guest"), total, f.Digest)
	return nil
}

// planned is the part of a plan that a run is told to run.
type planned struct{ fleet.Wanted }

func (p *planned) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.Plan, "plan", "", "run this plan, which ldlab plan -o wrote, in place of a selection")
	f.StringVar(&p.Bundle, "bundle", "", "run the plan in this bundle, which has all that its guests boot")
	f.StringVar(&p.Shard, "shard", "", "run the K-th of N parts of --plan or --bundle, as K/N (default what the environment selects, else all of it)")
}

// selectionFlags are those that a plan's file replaces.
var selectionFlags = []string{"kernel", "arch", "series", "source", "image", "config", "sites", "modules", "append", "setting", "scenario", "probe", "all-probes", "shuffle"}

// resolve makes the plan: of the selection, or of the plan's file and the shard.
func (p *planned) resolve(c *cobra.Command, sel plan.Selection) (*plan.Plan, error) {
	if !p.Given() {
		return engine.Resolve(c.Context(), sel, "")
	}
	i := slices.IndexFunc(selectionFlags, func(name string) bool { return c.Flags().Changed(name) })
	if i >= 0 {
		return nil, &plan.UsageError{Text: fmt.Sprintf("a plan has its own selection: leave out --%s", selectionFlags[i])}
	}
	return p.Resolve(c.Context(), os.Getenv, func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) })
}

// mark prepares the directory of the results.
func (p *planned) mark(o *runOptions) error {
	if p.File == nil {
		return nil
	}
	o.Machine, o.Part, o.Packed = hostcpu.Machine(), p.Part.N > 1, p.Packed
	return fleet.Mark(o.Out, p.File, p.Part)
}

// ended reports the end of a shard. Its status is 0 if each of its guests has a
// result that can be merged, whatever that is: the merge judges them.
func (p *planned) ended(c *cobra.Command, o *runOptions, m *matrix.Matrix, err error) error {
	if err != nil {
		return o.interrupted("run", err)
	}
	fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.Out)
	if errs := m.Errors(); len(errs) > 0 {
		return fmt.Errorf("run %s; continue with --resume --out %s", errs[0], o.Out)
	}
	if len(m.Problems) > 0 {
		printProblems(c, o.Out, m)
		return exitError(exitFailed)
	}
	fmt.Fprintf(c.OutOrStdout(), "shard %s is complete: %s; ldlab merge has the verdicts\n", p.Part, words.Count(len(m.Header.Plan), "guest"))
	return nil
}

func newMerge() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "merge -o OUT DIR...",
		Short: "Bring the results of a plan's shards together, after an audit",
		Long: `Merge writes the results of all shards of a plan to one directory, which
"ldlab report" reads. It audits them first: that all are of one plan, that no guest
is missing or there twice, that all booted the same kernels. What it finds is a line
each and status 3, and the rest is merged all the same.`,
		Args: func(c *cobra.Command, args []string) error { return usage(cobra.MinimumNArgs(1)(c, args)) },
		RunE: func(c *cobra.Command, dirs []string) error {
			if out == "" {
				return &plan.UsageError{Text: "-o needs the directory for the merged results"}
			}
			m, err := fleet.Merge(out, dirs)
			if errors.Is(err, fleet.ErrPlans) {
				return fileError{err}
			}
			if err != nil {
				return err
			}
			stderr := progress.NewPrintable(c.ErrOrStderr())
			for _, text := range m.Problems {
				fmt.Fprintf(stderr, "ldlab: %s\n", text)
			}
			for _, text := range m.Machines {
				fmt.Fprintf(stderr, "machine: %s\n", text)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %d of %s, plan %.12s\n", out, m.Guests, words.Count(len(m.File.Guests), "guest"), m.File.Digest)
			if len(m.Problems) > 0 {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "directory of the merged results; it must have none")
	return c
}

func newBundle() *cobra.Command {
	var out, program string
	var o runOptions
	c := &cobra.Command{
		Use:   "bundle -o FILE PLAN",
		Short: "Pack a plan and all that its guests boot into one file",
		Long: `Bundle builds what is missing and packs a plan of "ldlab plan -o", its kernels, the
root file systems of their guests and this program into one file. A machine with the
file needs QEMU and nothing else: "ldlab run --bundle FILE --shard K/N". The file is
a tar archive, compressed by zstd: "tar -xf FILE ldlab" gets the program.`,
		Args: oneArg,
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return &plan.UsageError{Text: "-o needs the file to write"}
			}
			f, err := fleet.Load(args[0])
			if err != nil {
				return fileError{err}
			}
			p, err := engine.Resolve(c.Context(), f.Selection, "")
			if err != nil {
				return err
			}
			if err := f.Check(p); err != nil {
				return &plan.UsageError{Text: err.Error()}
			}
			ui := progress.New(c.ErrOrStderr())
			o.Event = ui.Event
			kernels, err := engine.Pack(c.Context(), p, o.Options)
			ui.Close()
			if err != nil {
				return err
			}
			size, err := fleet.Pack(out, f, kernels, program)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %s, %d MB, plan %.12s\n", out, words.Count(len(kernels), "kernel"), size>>20, f.Digest)
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "file to write")
	c.Flags().StringVar(&program, "program", "", "static ldlab to put in, such as one for workers of another architecture (default this program)")
	return c
}

func newScale() *cobra.Command {
	s := fleet.Scale{}
	var mutants, shards []string
	c := &cobra.Command{
		Use:   "scale PLAN",
		Short: "Compute how many machines a plan needs, as docs/scale.md has it",
		Args:  oneArg,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if s.Within <= 0 {
				return &plan.UsageError{Text: "--within must be more than nothing"}
			}
			if s.File, err = fleet.Load(args[0]); err != nil {
				return fileError{err}
			}
			for _, dir := range mutants {
				if err := s.AddMutants(dir); err != nil {
					return fileError{err}
				}
			}
			for _, dir := range shards {
				if err := s.AddShard(dir); err != nil {
					return fileError{err}
				}
			}
			return s.Write(c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.DurationVar(&s.Within, "within", time.Hour, "time for the whole plan")
	f.StringSliceVar(&mutants, "mutants", nil, "results of ldlab mutate, to count its mutants, too; may be repeated")
	f.StringSliceVar(&shards, "shards", nil, "directory of a shard that was run, to compare with the model; may be repeated")
	return c
}
