package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ldlab/ldlab/internal/about"
	"github.com/ldlab/ldlab/internal/plan"
)

// A flagError is a command line that cobra rejected.
type flagError struct{ error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ldlab",
		Short: "Prove what Linux kernel lockdown really enforces",
		Long: `ldlab builds and boots x86_64 and arm64 kernels in QEMU under every lockdown
setting and runs probes that need each reason unlocked. A denial counts only if
the same act was allowed with nothing locked and the kernel itself attributes
the denial to the probe and the reason. "ldlab list rules" lists the verdicts.

Exit status: 0 every verdict as expected and each selected reason enforced, 1
verdicts differ or nothing was measured, 2 usage or a file that cannot be read,
3 the lab failed, 4 as 0, but a selected reason was not tested (--allow-untested
makes that 0), 5 a kernel has no lockdown LSM. "ldlab shell -- CMD" exits with CMD's.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.Version = about.Version()
	cobra.AddTemplateFunc("ldlabVersion", about.Text)
	root.SetVersionTemplate("{{ldlabVersion}}")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badFlag(err) })
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return emptyFlag(c.Flags()) }
	root.AddCommand(newDoctor(), newList(), newSeries(), newPlan(), newBuild(), newRun(), newCoverage(), newMutate(), newShell(), newBundle(), newMerge(), newGen(), newScale(), newReport(), newDiff(), newReview(), newRepro(), newNightly(), newExplain(), newCache(), newGuests(), newMan())
	return root
}

// badFlag is the error of a flag that cobra rejected, without the words of strconv.
func badFlag(err error) error {
	text, _, _ := strings.Cut(err.Error(), ": strconv.")
	return flagError{errors.New(text)}
}

// emptyFlag is the error of a flag whose value, or one of whose values, is empty:
// a variable of a script that is not set would otherwise select the default,
// which is everything.
func emptyFlag(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = append(list.GetSlice(), values...)
			if len(list.GetSlice()) == 0 {
				values = []string{""}
			}
		}
		if err == nil && slices.Contains(values, "") {
			err = flagError{fmt.Errorf("--%s must not be empty", f.Name)}
		}
	})
	return err
}

// noArgs and oneArg are cobra's checks with the exit status of usage errors.
func noArgs(c *cobra.Command, args []string) error { return usage(legacyArgs(c, args)) }

func oneArg(c *cobra.Command, args []string) error { return usage(cobra.ExactArgs(1)(c, args)) }

// legacyArgs makes cobra suggest a verb for a misspelt one.
func legacyArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return plan.UnknownWord("command", args[0], verbs(c))
	}
	return cobra.NoArgs(c, args)
}

func verbs(c *cobra.Command) []string {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return names
}

func usage(err error) error {
	if err == nil {
		return nil
	}
	return flagError{err}
}
