package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/plan"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/matrix"
)

// MutateSource builds and boots the chosen mutants of the source: those of the
// plan's kernels and architectures. Each needs a build of its own. The results
// of each are in a directory of its own below Options.Out, so that an interrupted
// run can be resumed.
func MutateSource(ctx context.Context, p *plan.Plan, o Options, choice MutantChoice) ([]matrix.Mutation, error) {
	all, err := kernels.SourceMutants()
	if err != nil {
		return nil, err
	}
	var list []matrix.Mutation
	for _, build := range p.Builds {
		m := matrix.Mutation{Kernel: build.Kernel.Name, Arch: build.Arch.Name, Interface: build.Kernel.Interface}
		n := 0
		for _, x := range all {
			if x.Kernel != m.Kernel || x.Arch != m.Arch || !choice.matches(x.Patch) {
				continue
			}
			if n++; !choice.nth(n - 1) {
				continue
			}
			found, origin, err := mutateSource(ctx, p, x, o)
			switch {
			case ctx.Err() != nil:
				return nil, ErrInterrupted
			case err != nil: // such as a patch that does not apply to this source
				found.Status, found.Why = matrix.MutantError, err.Error()
			default:
				m.Origin = origin
			}
			m.Mutants = append(m.Mutants, found)
		}
		if len(m.Mutants) > 0 {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		return nil, &plan.UsageError{Text: "no mutant of the source is for these kernels and architectures"}
	}
	return list, nil
}

// mutateSource runs one mutant. The origin is that of the kernel below it, as
// far as both share it.
func mutateSource(ctx context.Context, p *plan.Plan, x kernels.SourceMutant, o Options) (matrix.Mutant, matrix.Origin, error) {
	found := matrix.Mutant{Kind: matrix.Source, Site: x.Name()}
	dir := filepath.Join(o.Out, "source")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return found, matrix.Origin{}, fmt.Errorf("make results directory: %w", err)
	}
	path, err := x.Write(dir)
	if err != nil {
		return found, matrix.Origin{}, fmt.Errorf("write mutant: %w", err)
	}
	sel := plan.Selection{Kernels: []string{x.Kernel}, Arches: []string{x.Arch}, Settings: x.Settings, Scenarios: x.Scenarios, Source: p.Selection.Source, Series: append(slices.Clone(p.Selection.Series), path)}
	q, err := Resolve(ctx, sel, o.Cache)
	if err != nil {
		return found, matrix.Origin{}, err
	}
	o.Out = filepath.Join(dir, x.Name()+"-"+x.Arch+"-"+strings.ReplaceAll(x.Cell, "/", "-"))
	m, err := Run(ctx, q, o)
	if err != nil {
		return found, matrix.Origin{}, err
	}
	judgeSource(&found, x, m)
	return found, matrix.Origin{Base: m.Header.Kernels[0].Origin.Base, BaseVersion: m.Header.Kernels[0].Origin.BaseVersion, BaseSHA256: m.Header.Kernels[0].Origin.BaseSHA256}, nil
}

// judgeSource sets the mutant's status: the probe that is named for it must get
// the verdict that is named.
func judgeSource(found *matrix.Mutant, x kernels.SourceMutant, m *matrix.Matrix) {
	found.Status = matrix.Survived
	var saw []string
	for _, t := range m.Tables {
		for _, row := range t.Rows {
			if row.Probe != x.Cell {
				continue
			}
			for i, c := range row.Cells {
				if string(c.Verdict) == x.Verdict && found.Status != matrix.Killed {
					found.Status, found.By, found.DetectedBy, found.Why = matrix.Killed, []string{x.Cell}, matrix.DetectionOf(c), c.Why
				}
				saw = append(saw, fmt.Sprintf("%s under %s: %s", x.Cell, t.Columns[i].Setting, c.Verdict))
			}
		}
	}
	if found.Status == matrix.Survived {
		found.Why = strings.Join(saw, ", ")
	}
}
