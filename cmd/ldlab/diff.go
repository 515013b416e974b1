package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/matrix/known"
	"github.com/ldlab/ldlab/report"
)

func newDiff() *cobra.Command {
	var names []string
	var asJSON bool
	var known knownFlag
	c := &cobra.Command{
		Use:   "diff OLD [NEW]",
		Short: "Print what changed between two runs, or between two kernels",
		Long: `Diff compares the results of two runs: kernels of the same name, architecture by
architecture. With --kernel FROM --kernel TO it compares two kernels, of one run
if there is only one. It prints the checks that came or went in the machine code,
and the probes whose verdict changed: newly leaking, lost, flaky, enforced or
unavailable, gaps that opened or closed; guests that ended otherwise; and what became
slower. It exits with 1 if a cell has an unexpected verdict and had an expected one,
if a guest is lost or fails that ended well, or if a kernel reports a bug of its own
that it did not report before. Known issues (--known) count as expected. It exits with
3 if something is wrong with a file, and compares the rest.

Slower are a probe whose median time over the settings is at least ` +
			slowerRule + `
Times are compared if both runs have at least three guests with the same setting that
ended well at the first try on the same machine, QEMU, accelerator and CPU model. They
do not change the exit status, because they depend on what else the machine does.`,
		Example: `  ldlab run --kernel stock@6.12,stock@debian-7.3 --arch x86_64
  ldlab diff out/latest --kernel stock@6.12 --kernel stock@debian-7.3`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkDiff(args, names); err != nil {
				return err
			}
			issues, err := known.load()
			if err != nil {
				return err
			}
			boundMemory()
			list, damaged, err := compareFiles(c, args, names, issues)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(c.OutOrStdout(), list)
			} else {
				err = report.Write(c.OutOrStdout(), "diff", report.Measurement{Diff: list})
			}
			if err == nil && damaged {
				return exitError(exitFailed)
			}
			for _, d := range list {
				if err == nil && d.Regressed() {
					err = exitError(exitDiffers)
				}
			}
			return err
		},
	}
	c.Flags().StringSliceVar(&names, "kernel", nil, "kernel to compare from, and again: to")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	known.flag(c)
	return c
}

// slowerRule is the rule of package diff in words.
var slowerRule = fmt.Sprintf(`%g times as long as
before, and %s longer; and the guests that boot, or that are forked, if their median
time is at least %g times as long, and %s longer.`, diff.ProbeRatio, diff.ProbeFloor, diff.GuestRatio, diff.GuestFloor)

// checkDiff checks the command line: two kernels or none, and two kernels if there
// is one run only.
func checkDiff(args, names []string) error {
	switch {
	case len(args) < 1 || len(args) > 2:
		return &plan.UsageError{Text: "diff takes the results of one or two runs: ldlab diff OLD NEW"}
	case len(names) != 0 && len(names) != 2:
		return &plan.UsageError{Text: "give --kernel twice, from and to, or not at all"}
	case len(args) == 1 && len(names) == 0:
		return &plan.UsageError{Text: "one run has nothing to compare with: give two runs, or --kernel twice"}
	}
	return nil
}

// compareFiles compares the files, and tells whether something is wrong with one.
func compareFiles(c *cobra.Command, args, names []string, issues *known.List) (list []diff.Diff, damaged bool, err error) {
	var ms []*matrix.Matrix
	for _, file := range args {
		m, err := loadMatrix(c, file)
		if err != nil {
			return nil, false, err
		}
		damaged = damaged || len(m.Problems) > 0
		issues.Apply(m, time.Now())
		diff.Slim(m)
		ms = append(ms, m)
	}
	from, to := "", ""
	if len(names) == 2 {
		from, to = names[0], names[1]
	}
	if list, err = diff.Compare(ms[0], ms[len(ms)-1], from, to); err != nil {
		return nil, false, &plan.UsageError{Text: err.Error()}
	}
	return list, damaged, nil
}
