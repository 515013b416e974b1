package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/known"
	"github.com/ldlab/ldlab/report"
	"github.com/ldlab/ldlab/report/words"
)

// Run runs a plan and returns its matrix, judged from the results file. On
// ErrInterrupted the matrix has the results until then.
func Run(ctx context.Context, p *plan.Plan, o Options) (*matrix.Matrix, error) {
	s, b, err := open(ctx, p, o, func(*kernel) error { return nil })
	if err != nil {
		return nil, err
	}
	defer s.Close()
	defer b.close()
	m, _, err := b.measure(ctx)
	return m, err
}

// open makes the directory of the results, prepares the plan, and opens the results. The
// caller closes both. It checks before anything is built that the results can go there,
// and check judges each kernel. After an error, a directory that it made is removed.
func open(ctx context.Context, p *plan.Plan, o Options, check func(*kernel) error) (s *Stage, b *batch, err error) {
	_, before := os.Lstat(o.Out) // what the user made stays: a link, an empty directory
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make results directory: %w", err)
	}
	if err := results.Check(o.Out, p.Digest(), o.Resume); err != nil {
		return nil, nil, err
	}
	if s, err = NewStage(ctx, p, o); err == nil {
		for _, build := range p.Builds {
			err = cmp.Or(err, check(s.kernels[keyOf(build)]))
		}
		if err == nil {
			b, err = openBatch(s)
		}
		if err != nil {
			s.Close()
		}
	}
	if err != nil && errors.Is(before, fs.ErrNotExist) {
		os.Remove(o.Out) // if nothing is in it
	}
	return s, b, err
}

// measure runs the plan's guests, and some a second time, judges them, and writes the
// reports.
func (b *batch) measure(ctx context.Context) (*matrix.Matrix, *results.Set, error) {
	if err := b.do(ctx, b.planned()); err != nil {
		return nil, nil, err
	}
	set, m, err := b.judged()
	if err != nil {
		return nil, nil, err
	}
	if b.stage.options.Rerun && ctx.Err() == nil {
		if ran, err := b.rerun(ctx, set, m); err != nil {
			return nil, nil, err
		} else if ran {
			if set, m, err = b.judged(); err != nil {
				return nil, nil, err
			}
		}
	}
	if err == nil && !b.stage.options.Part {
		err = writeReports(b.stage.options.Out, m, report.Formats())
	}
	if err == nil && ctx.Err() != nil {
		err = ErrInterrupted
	}
	return m, set, err
}

// judged is the matrix of the stored results, compared with the known issues.
func (b *batch) judged() (*results.Set, *matrix.Matrix, error) {
	set, err := b.load()
	if err != nil {
		return nil, nil, err
	}
	m, err := set.Matrix()
	if err == nil {
		b.stage.options.Known.Apply(m, time.Now())
	}
	return set, m, err
}

// rerun runs each guest of known.Unknown a second time, and reports whether there was
// one. A verdict that depends on luck would otherwise be believed, or be blamed on a
// change. If the plan is a part, each guest is judged without its control
// (matrix.BuildAlone).
func (b *batch) rerun(ctx context.Context, set *results.Set, m *matrix.Matrix) (bool, error) {
	if b.stage.options.Part {
		var err error
		if m, err = matrix.BuildAlone(set.Header, slices.Concat(set.Results, set.Again)); err != nil {
			return false, err
		}
		b.stage.options.Known.Apply(m, time.Now())
	}
	var jobs []job
	for _, j := range b.planned() {
		if j.again = true; !b.have[j.id()] && known.Unknown(m, j.guest) {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return false, nil
	}
	b.stage.note("%s with cells that are not as expected: to run a second time", words.Count(len(jobs), "guest"))
	return true, b.do(ctx, jobs)
}

// writeReports writes the matrix in every format to the directory of the
// results. Each report is written atomically.
func writeReports(dir string, m *matrix.Matrix, formats []report.View) error {
	for _, f := range formats {
		var b bytes.Buffer
		if err := f.Write(&b, report.Measurement{Matrix: m}); err != nil {
			return fmt.Errorf("write report %s: %w", f.File, err)
		}
		if err := renameio.WriteFile(filepath.Join(dir, f.File), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write report %s: %w", f.File, err)
		}
	}
	return nil
}
