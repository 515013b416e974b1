package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/internal/plan"
)

func newShell() *cobra.Command {
	var (
		sel     plan.Selection
		o       engine.Options
		verbose bool
	)
	c := &cobra.Command{
		Use:   "shell [-- CMD [ARG...]]",
		Short: "Open a terminal in a guest, or run one command in it",
		Long: `Shell boots one guest, brings it into its setting and opens a terminal in it.
With -- CMD it runs one command instead and exits with that command's status;
one argument alone may be a whole shell line.`,
		Args: func(c *cobra.Command, args []string) error {
			if dash := c.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return &plan.UsageError{Text: "a command for the guest comes after --"}
			}
			if len(args) == 1 && args[0] == "" {
				return &plan.UsageError{Text: "a command for the guest must not be empty"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(sel.Arches) == 0 && sel.Image == "" {
				sel.Arches = []string{nativeArch()}
			}
			if len(sel.Settings) == 0 {
				sel.Settings = []string{"none"}
			}
			p, err := engine.Resolve(c.Context(), sel, "")
			if err == nil {
				err = p.CheckShell()
			}
			if err == nil {
				err = checkOptions(o)
			}
			if err != nil {
				return err
			}
			ui := progress.New(c.ErrOrStderr())
			defer ui.Close()
			o.Event = ui.Event
			o.Console = verbose
			resize := make(chan os.Signal, 1)
			signal.Notify(resize, syscall.SIGWINCH)
			defer signal.Stop(resize)
			status, err := engine.Shell(c.Context(), p, o, engine.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Resize: resize}, commandLine(args))
			if err == nil && status != 0 {
				return exitError(status)
			}
			return err
		},
	}
	kernelFlags(c, &sel)
	settingFlag(c, &sel)
	c.Flags().StringVar(&o.Accel, "accel", "", "kvm or tcg (default: kvm if a guest boots with it)")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the guest's console")
	return c
}

// nativeArch is the host's architecture if the lab supports it, or else the
// first supported one.
func nativeArch() string {
	for _, a := range arch.All() {
		if a.Native() {
			return a.Name
		}
	}
	return arch.All()[0].Name
}

// commandLine is the line for the guest's shell: one word is taken for a whole
// line, several are quoted so that they arrive as they are.
func commandLine(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return strings.TrimSpace(shellescape.QuoteCommand(args))
}
