package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/lab"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report"
)

func newRun() *cobra.Command {
	var (
		sel     lab.Selection
		o       lab.Options
		asJSON  bool
		verbose bool
		latest  bool
	)
	c := &cobra.Command{
		Use:   "run",
		Short: "Boot every guest of a plan, run the probes, print the matrix",
		Long: `Run builds what is missing, boots every guest of the plan, and prints the
matrix. Results go to OUT/results.jsonl as they come; reports in every format,
and the consoles of guests that failed, stand beside it.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := planOf(sel)
			if err != nil {
				return err
			}
			if err := checkOptions(o); err != nil {
				return err
			}
			if o.Out == "" {
				if o.Resume {
					return &lab.UsageError{Text: "--resume needs the --out of the run to go on with"}
				}
				o.Out, latest = filepath.Join("out", time.Now().UTC().Format("20060102T150405.000Z")), true
			}
			ui := newUI(c.ErrOrStderr())
			defer ui.close()
			o.Event, o.Version = ui.event, version()
			if verbose {
				o.Console = ui
			}
			m, err := lab.Run(c.Context(), p, o)
			ui.close()
			if m != nil {
				if latest {
					linkLatest(o.Out)
				}
				if werr := writeMatrix(c, m, asJSON); werr != nil {
					return werr
				}
				if o.Timing && !asJSON {
					if werr := report.Timing(c.OutOrStdout(), m); werr != nil {
						return werr
					}
				}
				fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.Out)
			}
			if errors.Is(err, lab.ErrInterrupted) {
				return fmt.Errorf("run: %w; go on with the same flags and --resume --out %s", err, o.Out)
			}
			if err != nil {
				return err
			}
			return verdict(m)
		},
	}
	kernelFlags(c, &sel)
	settingFlag(c, &sel)
	probeFlags(c, &sel)
	f := c.Flags()
	f.StringVar(&o.Out, "out", "", "directory for results and reports (default out/TIME)")
	f.BoolVar(&o.Resume, "resume", false, "keep the results that --out has of this plan, and run the rest")
	f.IntVar(&o.Jobs, "jobs", 0, "guests at once (default what processors and memory bear)")
	f.DurationVar(&o.Timeout, "timeout", 0, "limit for one guest, such as 90s (default 60s times the machine's slowness)")
	f.StringVar(&o.Accel, "accel", "", "kvm or tcg (default: kvm if a guest really runs with it)")
	f.BoolVar(&o.Boot, "boot", false, "boot every guest; without it, guests that lock at run time are forked from one that booted")
	f.BoolVar(&o.Timing, "timing", false, "also print where the time of a boot goes")
	f.BoolVar(&asJSON, "json", false, "print the JSON report")
	f.BoolVarP(&verbose, "verbose", "v", false, "show the guests' consoles as they come")
	complete(c, "accel", func() []string { return []string{"kvm", "tcg"} })
	return c
}

func checkOptions(o lab.Options) error {
	switch {
	case o.Accel != "" && o.Accel != "kvm" && o.Accel != "tcg":
		return lab.UnknownWord("accelerator", o.Accel, []string{"kvm", "tcg"})
	case o.Jobs < 0:
		return &lab.UsageError{Text: fmt.Sprintf("--jobs %d is less than none", o.Jobs)}
	case o.Timeout < 0:
		return &lab.UsageError{Text: fmt.Sprintf("--timeout %s is over before it begins", o.Timeout)}
	}
	return nil
}

func writeMatrix(c *cobra.Command, m *matrix.Matrix, asJSON bool) error {
	write := report.Text
	if asJSON {
		write = report.JSON
	}
	return write(c.OutOrStdout(), m)
}

// verdict turns a matrix into the exit status.
func verdict(m *matrix.Matrix) error {
	switch {
	case len(m.Errors()) > 0:
		return fmt.Errorf("run %s", m.Errors()[0])
	case !m.AsExpected():
		return exitError(exitDiffers)
	}
	return nil
}
