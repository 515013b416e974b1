package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/cmd/ldlab/progress"
	"github.com/ldlab/ldlab/internal/explain"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/report"
)

func newExplain() *cobra.Command {
	var from string
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain WORD...",
		Short: "Show what lockdown has to do with a path, a system call, an errno or a log line",
		Long: `Explain looks words up in the lab's tables: a path, a system call, a reason, an
errno or its text, a line of the kernel's log, and, beside a path, a mode such as
0600 and O_WRONLY or O_RDWR. It prints the reason, the level that locks it, where
the kernel checks it, the probes, and what stays open. It boots nothing; --from
adds what a run saw.`,
		Example: `  ldlab explain EPERM /sys/kernel/debug/ec/ec0/io
  ldlab explain iopl
  ldlab explain 'Lockdown: insmod: unsigned module loading is restricted'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &plan.UsageError{Text: "explain needs a path, a system call, an errno or a line of the log"}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			a, err := explain.Explain(args)
			if unknown, ok := err.(*explain.UnknownError); ok {
				return &plan.UsageError{Text: unknown.Error()}
			}
			if err != nil {
				return err
			}
			found := explained{Answer: a}
			if from != "" {
				boundMemory()
				m, err := loadMatrix(c, from)
				if err != nil {
					return err
				}
				found.Measured = a.Measured(m)
			}
			if asJSON {
				return report.JSON(c.OutOrStdout(), found)
			}
			return found.write(progress.NewPrintable(c.OutOrStdout()))
		},
	}
	c.Flags().StringVar(&from, "from", "", "also print what a run saw: its directory or its results.jsonl")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// explained is an answer with what a run saw.
type explained struct {
	*explain.Answer
	Measured []string `json:",omitempty"`
}

// write prints the answer: its summary, then a block for each reason.
func (e explained) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, e.Summary)
	list := func(head string, items []string) {
		for i, item := range items {
			if i > 0 {
				head = ""
			}
			fmt.Fprintf(&b, "  %-10s %s\n", head, item)
		}
	}
	list("", e.Facts)
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "\n%s: the kernel logs %q\n", r.Reason, "Lockdown: TASK: "+r.Label+" is restricted; see man kernel_lockdown.7")
		list("locked by", []string{strings.Join(r.Settings, ", ")})
		for _, s := range r.Sites {
			list("checked in", []string{s.Site})
			if len(s.Entry) > 0 {
				list("", []string{"reached by " + strings.Join(s.Entry, ", ")})
			}
			if len(s.Needs) > 0 {
				list("", []string{"compiled with " + strings.Join(s.Needs, ", ")})
			}
		}
		list("probes", []string{strings.Join(r.Probes, ", ")})
		list("stays open", r.Open)
		list("claims", r.Claims)
	}
	if len(e.Measured) > 0 {
		fmt.Fprintln(&b)
		list("measured", e.Measured)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
