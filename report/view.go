// Package report writes measurements: one table of views. The same measurement
// gives the same bytes. All text from guests is escaped: see words/escape.go.
package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report/formats"
)

// A Measurement is the input of a view, which needs one of its fields, and History if
// there is one.
type Measurement struct {
	Matrix   *matrix.Matrix
	History  []history.Night // beside Matrix: what the page has charts of
	Coverage []matrix.Coverage
	Mutation []matrix.Mutation
	Diff     []diff.Diff
	Review   *changes.Review
	Versions *changes.Versions
	Findings []findings.Outcome
}

// A Subject is the field of a Measurement that a view is written from.
type Subject string

const (
	OfMatrix   Subject = "matrix"
	OfCoverage Subject = "coverage"
	OfMutation Subject = "mutation"
	OfDiff     Subject = "diff"
	OfReview   Subject = "review"
	OfVersions Subject = "versions"
	OfFindings Subject = "findings"
)

// A View is a way to write a measurement.
type View struct {
	Name   string
	Of     Subject
	Format bool   // a whole matrix, for --format
	File   string // file beside the results of a run; empty if none
	Golden string // file in testdata
	Write  func(w io.Writer, m Measurement) error
}

// views is the table. Its order is the order of every listing.
var views = []View{
	{"text", OfMatrix, true, "report.txt", "report.txt", ofMatrix(text)},
	{"markdown", OfMatrix, true, "report.md", "report.md", ofMatrix(markdown)},
	{"html", OfMatrix, true, "report.html", "page.json", whole(html)},
	{"json", OfMatrix, true, "report.json", "report.json", streamed(writeJSON)},
	{"junit", OfMatrix, true, "junit.xml", "junit.xml", ofMatrix(writeJUnit)},
	{"ktap", OfMatrix, true, "report.ktap", "report.ktap", ofMatrix(formats.KTAP)},
	{"github", OfMatrix, true, "annotations.txt", "annotations.txt", ofMatrix(formats.Annotations)},
	{"github-summary", OfMatrix, true, "summary.md", "summary.md", ofMatrix(formats.Summary)},
	{"sarif", OfMatrix, true, "report.sarif", "report.sarif", ofMatrix(formats.SARIF)},
	{"kcidb", OfMatrix, true, "kcidb.json", "kcidb.json", streamed(formats.KCIDB)},
	{"kernels", OfMatrix, true, "kernels.md", "kernels.md", ofMatrix(kernels)},
	{"machines", OfMatrix, false, "", "machines.txt", ofMatrix(machines)},
	{"timing", OfMatrix, false, "", "timing.txt", ofMatrix(timing)},
	{"coverage", OfCoverage, false, "", "coverage.txt", whole(coverages)},
	{"mutation", OfMutation, false, "", "mutation.md", whole(mutations)},
	{"coverage-json", OfCoverage, false, "", "coverage.json", coverageJSON},
	{"mutation-json", OfMutation, false, "", "mutation.json", mutationJSON},
	{"diff", OfDiff, false, "", "diff.txt", whole(diffs)},
	{"review", OfReview, false, "", "review.txt", ofReview(reviewText)},
	{"review-markdown", OfReview, false, "", "review.md", ofReview(reviewMarkdown)},
	{"review-reply", OfReview, false, "", "review-reply.txt", ofReview(reviewReply)},
	{"review-json", OfReview, false, "", "review.json", ofReview(reviewJSON)},
	{"versions", OfVersions, false, "", "versions.txt", whole(versions)},
	{"versions-markdown", OfVersions, false, "", "versions.md", whole(versionsMarkdown)},
	{"versions-json", OfVersions, false, "", "versions.json", versionsJSON},
	{"findings", OfFindings, false, "", "findings.txt", whole(findingsText)},
	{"findings-markdown", OfFindings, false, "", "findings.md", whole(findingsMarkdown)},
	{"findings-json", OfFindings, false, "", "findings.json", findingsJSON},
}

var errNoMatrix = errors.New("no matrix")

// whole buffers a view, so that it is written completely or not at all.
func whole(write func(*strings.Builder, Measurement) error) func(io.Writer, Measurement) error {
	return func(w io.Writer, m Measurement) error {
		b := &strings.Builder{}
		if err := write(b, m); err != nil {
			return err
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}

func ofMatrix(write func(*strings.Builder, *matrix.Matrix) error) func(io.Writer, Measurement) error {
	return whole(func(b *strings.Builder, m Measurement) error {
		if m.Matrix == nil {
			return errNoMatrix
		}
		return write(b, m.Matrix)
	})
}

// streamed is for views that are too large to be buffered.
func streamed(write func(io.Writer, *matrix.Matrix) error) func(io.Writer, Measurement) error {
	return func(w io.Writer, m Measurement) error {
		if m.Matrix == nil {
			return errNoMatrix
		}
		return write(w, m.Matrix)
	}
}

func ofReview(write func(*strings.Builder, *changes.Review) error) func(io.Writer, Measurement) error {
	return whole(func(b *strings.Builder, m Measurement) error {
		if m.Review == nil {
			return errors.New("no review")
		}
		return write(b, m.Review)
	})
}

// Views lists every view.
func Views() []View { return slices.Clone(views) }

// Formats lists the views of a whole matrix, for --format.
func Formats() []View {
	return slices.DeleteFunc(Views(), func(v View) bool { return !v.Format })
}

// Find looks a view up by name.
func Find(name string) (View, bool) {
	if i := slices.IndexFunc(views, func(v View) bool { return v.Name == name }); i >= 0 {
		return views[i], true
	}
	return View{}, false
}

// Write writes the view of that name.
func Write(w io.Writer, name string, m Measurement) error {
	v, ok := Find(name)
	if !ok {
		return fmt.Errorf("write %s: unknown view", name)
	}
	if err := v.Write(w, m); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
