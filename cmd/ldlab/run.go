package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

// A runVerb is what the flags of run select.
type runVerb struct {
	runOptions
	sel  plan.Selection
	part planned

	asJSON bool
	color  string
	accept accepted
	known  knownFlag
}

func newRun() *cobra.Command {
	v := &runVerb{}
	c := &cobra.Command{
		Use:   "run",
		Short: "Boot every guest of a plan, run the probes, print the matrix",
		Long: `Run builds what is missing, boots every guest of the plan, and prints the
matrix. Each result is written to OUT/results.jsonl as soon as its guest ends.
Reports in every format, and the consoles of guests that failed, are written
beside it. A guest with a cell that is not as expected, and is no known issue, runs
a second time. A cell of which only one of both verdicts is as expected is flaky.

With --plan, it runs a plan of "ldlab plan -o", or one of its shards: the guests
that --shard, or the environment of a Slurm array, GitLab, Buildkite, Bazel or an
Indexed Job of Kubernetes (with LDLAB_SHARDS), selects. A shard prints no matrix,
because its controls may be in another one: "ldlab merge" brings them together.
Whether a guest of a shard runs a second time follows from its own result. The lab
then assumes that its control would have allowed every act.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return v.run(c) },
	}
	kernelFlags(c, &v.sel)
	settingFlag(c, &v.sel)
	probeFlags(c, &v.sel)
	shuffleFlag(c, &v.sel)
	v.flags(c)
	v.part.flags(c)
	f := c.Flags()
	f.BoolVar(&v.Timing, "timing", false, "also print how long each phase of a boot took")
	f.BoolVar(&v.asJSON, "json", false, "print the JSON report")
	colorFlag(c, &v.color)
	v.accept.flags(c)
	v.known.flag(c)
	return c
}

func (v *runVerb) run(c *cobra.Command) error {
	if err := checkColor(v.color); err != nil {
		return err
	}
	p, err := v.part.resolve(c, v.sel)
	if err != nil {
		return err
	}
	if v.Known, err = v.known.load(); err != nil {
		return err
	}
	v.Rerun = true
	done, err := v.start(c)
	if err != nil {
		return err
	}
	defer done()
	if err := v.part.mark(&v.runOptions); err != nil {
		return err
	}
	m, err := engine.Run(c.Context(), p, v.Options)
	done()
	if v.Part {
		return v.part.ended(c, &v.runOptions, m, err)
	}
	if m != nil {
		printProblems(c, v.Out, m)
		if werr := v.written(c, m, v.asJSON, v.color); werr != nil {
			return werr
		}
	}
	if err != nil {
		return v.interrupted("run", err)
	}
	return verdict(c, m, v.accept)
}

// written prints the matrix of a run, also of one that was interrupted, and where its
// results are.
func (o *runOptions) written(c *cobra.Command, m *matrix.Matrix, asJSON bool, color string) error {
	if o.latest {
		linkLatest(o.Out)
	}
	if err := writeMatrix(c, m, asJSON, color, o.Timing); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.Out)
	return nil
}

func writeMatrix(c *cobra.Command, m *matrix.Matrix, asJSON bool, color string, timing bool) error {
	if asJSON {
		return report.Write(c.OutOrStdout(), "json", report.Measurement{Matrix: m})
	}
	if err := writeText(c, m, color, kernelFlagsGiven(c.Flags())); err != nil || !timing {
		return err
	}
	return report.Write(c.OutOrStdout(), "timing", report.Measurement{Matrix: m})
}

// accepted is what is no reason for an exit status other than 0.
type accepted struct{ untested, flaky bool }

func (a *accepted) flags(c *cobra.Command) {
	c.Flags().BoolVar(&a.untested, "allow-untested", false, "exit with 0 although a selected reason was not tested")
	c.Flags().BoolVar(&a.flaky, "allow-flaky", false, "exit with 0 although the verdict of a cell differed in a second run")
}

// verdicts are those that are accepted although they are not as expected.
func (a accepted) verdicts() (list []matrix.Verdict) {
	if a.flaky {
		list = append(list, matrix.Flaky)
	}
	return list
}

// verdict returns the exit status for a matrix.
func verdict(c *cobra.Command, m *matrix.Matrix, accept accepted) error {
	untested := m.Untested()
	switch {
	case len(m.Errors()) > 0:
		return fmt.Errorf("run %s", m.Errors()[0])
	case len(m.Problems) > 0:
		return exitError(exitFailed)
	case !m.AsExpected(accept.verdicts()...):
		for _, text := range m.Splats() { // not every report has them
			fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: the kernel reported a bug of its own: %s\n", text)
		}
		for _, i := range m.StaleIssues() {
			fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: %s: this known issue does not happen any more: take it out of the list\n", i.Place)
		}
		return exitError(exitDiffers)
	case len(untested) > 0 && !accept.untested:
		fmt.Fprintf(progress.NewPrintable(c.ErrOrStderr()), "ldlab: not tested: %d of the selected reasons, such as %s; --allow-untested accepts that\n", len(untested), untested[0])
		return exitError(exitUntested)
	}
	return nil
}
