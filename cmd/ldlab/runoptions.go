package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/about"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/hostcpu"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/report"
)

// runOptions are the options of every verb that runs guests.
type runOptions struct {
	engine.Options
	verbose bool
	latest  bool // Out was chosen by the lab
}

func (o *runOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.Out, "out", "", "directory for results and reports (default out/TIME)")
	f.BoolVar(&o.Resume, "resume", false, "keep the results of this plan in --out, and run the rest")
	f.IntVar(&o.Jobs, "jobs", 0, "guests at once (default as many as processors and memory allow)")
	f.DurationVar(&o.Timeout, "timeout", 0, "time limit of one guest, such as 90s (default 60s, scaled by the machine's speed)")
	f.StringVar(&o.Accel, "accel", "", "kvm or tcg (default: kvm if a guest boots with it)")
	f.BoolVar(&o.Boot, "boot", false, "boot every guest (default: fork guests that lock at run time, and copy machines that are the same)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show the guests' consoles")
	complete(c, "accel", func() []string { return []string{"kvm", "tcg"} })
}

func checkOptions(o engine.Options) error {
	switch {
	case o.Accel != "" && o.Accel != "kvm" && o.Accel != "tcg":
		return plan.UnknownWord("accelerator", o.Accel, []string{"kvm", "tcg"})
	case o.Jobs < 0:
		return &plan.UsageError{Text: "--jobs must not be negative"}
	case o.Timeout < 0:
		return &plan.UsageError{Text: "--timeout must not be negative"}
	}
	return nil
}

// start checks the options, chooses the directory of the results, and shows the
// progress until done is called.
func (o *runOptions) start(c *cobra.Command) (done func(), err error) {
	if err := checkOptions(o.Options); err != nil {
		return nil, err
	}
	switch {
	case o.Out == "" && o.Resume:
		return nil, &plan.UsageError{Text: "--resume needs --out with the directory of the run to continue"}
	case o.Out == "":
		o.Out, o.latest = filepath.Join("out", time.Now().UTC().Format("20060102T150405.000Z")), true
	}
	if o.Machine == "" {
		o.Machine = hostcpu.Machine()
	}
	ui := progress.New(c.ErrOrStderr())
	o.Event, o.Version = ui.Event, about.Version()
	o.Console = o.verbose
	return sync.OnceFunc(ui.Close), nil
}

// interrupted appends to the error of an interrupted run how to continue.
func (o *runOptions) interrupted(verb string, err error) error {
	if errors.Is(err, engine.ErrInterrupted) {
		return fmt.Errorf("%s: %w; continue with the same flags and --resume --out %s", verb, err, o.Out)
	}
	return err
}

// write prints a view of what a verb found, and then the directory of the results.
func (o *runOptions) write(c *cobra.Command, view string, found report.Measurement) error {
	if err := report.Write(c.OutOrStdout(), view, found); err != nil {
		return err
	}
	fmt.Fprintf(c.ErrOrStderr(), "results: %s\n", o.Out)
	return nil
}
