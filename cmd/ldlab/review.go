package main

import (
	"os"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"

	"github.com/ldlab/ldlab/internal/arch"
	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/review"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/report"
)

// reviewFormats are the values of --format, and the views that they stand for: of a
// review, and of two versions, which are no reply to anything.
var (
	reviewFormats  = viewNames{{"text", "review"}, {"markdown", "review-markdown"}, {"reply", "review-reply"}, {"json", "review-json"}, {"html", "html"}}
	versionFormats = viewNames{{"text", "versions"}, {"markdown", "versions-markdown"}, {"json", "versions-json"}}
)

func newReview() *cobra.Command {
	var (
		o      review.Options
		ro     runOptions
		format string
		face   string
	)
	c := &cobra.Command{
		Use:   "review [OLD] SERIES | review FILE FILE...",
		Short: "Review a patch series: what it changes in what lockdown enforces",
		Long: `Review finds the source that a series of patches is for, builds it without and with
the series, boots both under each lockdown setting, and prints the difference:
verdicts that changed, checks that came, went or moved, reasons and their values,
answers of lockdown's files, new warnings of the compiler and of the kernel, and
patches after which the source does not build. SERIES is what --series takes: a
mailbox, a mail, a maildir, a directory of patches, git:PATH@A..B, or - for standard
input; or a kernel of the table, whose series are then reviewed (./NAME is a file).
Nothing is sent to anybody. With OLD, both are reviewed, and what the new version
repaired is told beside git range-diff; --old-version N takes OLD, or version N of
SERIES itself, from a mailbox that has several. Files that are parts of one series, as
git format-patch writes them, are that series; so are more than two files. --on-top
adds patches after the series. It exits with 1 if something got worse.`,
		Example: `  ldlab review t.mbox.gz
  ldlab review git:../linux@v6.12..topic --arch x86_64 --each
  ldlab review posted --format reply
  ldlab review v1.mbox v2.mbox
  ldlab review thread.mbox --old-version 1
  ldlab review 00*.patch
  ldlab review v2.mbox --on-top fixup.patch`,
		Args: func(c *cobra.Command, args []string) error { return usage(cobra.MinimumNArgs(1)(c, args)) },
		RunE: func(c *cobra.Command, args []string) error {
			view := reviewFormats.find(format)
			if view == "" {
				return plan.UnknownWord("format", format, reviewFormats.words())
			}
			o.Series, o.Interface = args[len(args)-1], lockdown.Interface(face)
			old := c.Flags().Changed("old-version") || c.Flags().Changed("old-attachment")
			switch {
			case !old && (len(args) > 2 || len(args) == 2 && kernels.AreParts(args)):
				o.Series, o.Files = strings.Join(args, " "), args
				return reviewSeries(c, o, &ro, view)
			case len(args) > 2:
				return &plan.UsageError{Text: "an older version and a list of files exclude each other"}
			case (old || len(args) == 2) && len(o.OnTop) > 0:
				return &plan.UsageError{Text: "--on-top and two versions exclude each other"}
			case old || len(args) == 2:
				return reviewVersions(c, args[0], o, &ro, format)
			}
			return reviewSeries(c, o, &ro, view)
		},
	}
	reviewFlags(c, &o, &face, &format)
	ro.flags(c)
	return c
}

// reviewFlags are the flags of a review beside those of every run.
func reviewFlags(c *cobra.Command, o *review.Options, face, format *string) {
	f := c.Flags()
	f.IntVar(&o.Version, "version", 0, "of several versions of a series in a mailbox, take this one (default the highest)")
	f.StringArrayVar(&o.OnTop, "on-top", nil, "patch or series that is applied after SERIES; may be repeated")
	f.StringVar(&o.Attachment, "attachment", "", "of a mail with several patches attached, take this file")
	f.IntVar(&o.OldVersion, "old-version", 0, "version of the series before: of OLD, or of SERIES if there is no OLD")
	f.StringVar(&o.OldAttachment, "old-attachment", "", "attachment of the series before, in the same way")
	f.StringVar(&o.Base, "base", "", "base of the table to which the series is applied (default: the one that it is for)")
	f.StringVar(&o.Source, "source", "", "kernel source to which it is applied: apt:PACKAGE, upstream:SERIES, dir:PATH, git:PATH@REV, tarball:PATH|URL#sha256=HEX")
	f.StringVar(&o.Tree, "tree", "", "git repository in which the base-commit of the mails is looked for")
	f.BoolVar(&o.Strict, "strict", false, "refuse hunks that apply with fuzz only")
	f.BoolVar(&o.Each, "each", false, "find the patch that changed each verdict")
	f.BoolVar(&o.NoKUnit, "no-kunit", false, "do not run the KUnit suites that the series adds, which need a kernel of their own")
	f.StringVar(face, "interface", "", "interface of the kernel with the series: upstream, bitmap or bitmap-v1 (default upstream)")
	f.StringSliceVar(&o.Arches, "arch", nil, "architecture (default all); may be repeated")
	f.StringArrayVar(&o.Settings, "setting", nil, "setting (default: each level at boot and at run time); may be repeated")
	f.StringSliceVar(&o.Scenarios, "scenario", nil, "scenario (default all); may be repeated")
	f.StringSliceVar(&o.Probes, "probe", nil, "probe, as scenario/probe; may be repeated")
	f.StringVar(format, "format", "text", "text, markdown, json, html: a page, or reply: plain text for a mailing list")
	complete(c, "format", reviewFormats.words)
	complete(c, "arch", arch.Names)
	complete(c, "base", func() []string {
		t, err := kernels.Load()
		if err != nil {
			return nil
		}
		return t.Bases()
	})
}

// reviewSeries reviews a series, and shows and keeps the review.
func reviewSeries(c *cobra.Command, o review.Options, ro *runOptions, view string) error {
	done, err := ro.start(c)
	if err != nil {
		return err
	}
	defer done()
	o.Engine = ro.Options
	r, err := review.Review(c.Context(), o)
	done()
	if err != nil {
		return ro.interrupted("review", err)
	}
	r.Command = thisCommand()
	if err := report.Keep(ro.Out, report.Measurement{Review: r}, reviewFormats.views()...); err != nil {
		return err
	}
	if err := ro.write(c, view, report.Measurement{Review: r}); err != nil {
		return err
	}
	if r.Grave() {
		return exitError(exitDiffers)
	}
	return nil
}

// reviewVersions reviews two versions of a series and shows what changed.
func reviewVersions(c *cobra.Command, old string, o review.Options, ro *runOptions, format string) error {
	view := versionFormats.find(format)
	if view == "" {
		return &plan.UsageError{Text: "two versions are compared as text, as markdown or as json"}
	}
	done, err := ro.start(c)
	if err != nil {
		return err
	}
	defer done()
	o.Engine = ro.Options
	v, err := review.Versions(c.Context(), old, o)
	done()
	if err != nil {
		return ro.interrupted("review", err)
	}
	v.Old.Command, v.New.Command = thisCommand(), thisCommand()
	err = ro.write(c, view, report.Measurement{Versions: v})
	if err == nil && v.Grave() {
		err = exitError(exitDiffers)
	}
	return err
}

// thisCommand is how this program was called, quoted for a shell.
func thisCommand() string {
	return shellescape.QuoteCommand(append([]string{"ldlab"}, os.Args[1:]...))
}
