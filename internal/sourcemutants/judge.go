package sourcemutants

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// A place is a cell of a matrix, and what was seen there.
type place struct {
	probe, setting string
	verdict        matrix.Verdict
}

func (p place) String() string { return fmt.Sprintf("%s under %s: %s", p.probe, p.setting, p.verdict) }

// judge sets the mutant's status: the probe that its row names must get the verdict
// that is named, in one of the settings that are named.
func judge(x kernels.SourceMutant, m *matrix.Matrix) matrix.Mutant {
	found := matrix.Mutant{Kind: matrix.Source, Site: x.Name(), Status: matrix.Survived}
	var settings, saw []string
	for _, text := range x.Settings {
		if s, err := lockdown.ParseSetting(text); err == nil {
			settings = append(settings, s.String())
		}
	}
	measured := false
	for p, c := range cells(m) {
		if p.probe != x.Cell || !slices.Contains(settings, p.setting) {
			continue
		}
		if string(p.verdict) == x.Verdict {
			found.Status, found.By, found.DetectedBy, found.Why = matrix.Killed, []string{x.Cell}, matrix.DetectionOf(c), c.Why
			return found
		}
		measured = measured || !unmeasured(p.verdict)
		saw = append(saw, p.String())
	}
	found.Why = strings.Join(saw, ", ")
	if !measured { // nothing follows from a guest that was lost
		found.Status = matrix.MutantError
		if found.Why == "" {
			found.Why = x.Cell + " did not run"
		}
	}
	return found
}

// cells yields every cell, those with nothing locked included, in order.
func cells(m *matrix.Matrix) func(func(place, matrix.Cell) bool) {
	return func(yield func(place, matrix.Cell) bool) {
		for _, t := range m.Tables {
			for _, row := range t.Rows {
				for i, c := range row.Cells {
					if !yield(place{row.Probe, t.Columns[i].Setting.String(), c.Verdict}, c) {
						return
					}
				}
			}
		}
	}
}

func unmeasured(v matrix.Verdict) bool { return v == matrix.Lost || v == matrix.NotRun }

// doubt is the reason why nothing follows from the run of a batch of several patches;
// empty if its mutants can be judged. Which of them a bug that the kernel reports of
// itself belongs to is not known: each patch runs alone then.
func doubt(m *matrix.Matrix, err error) string {
	if err != nil {
		return err.Error()
	}
	if failed := m.Errors(); len(failed) > 0 {
		return failed[0]
	}
	if bugs := m.Splats(); len(bugs) > 0 {
		return "the kernel reported a bug of its own: " + bugs[0]
	}
	for p := range cells(m) {
		if unmeasured(p.verdict) {
			return p.String()
		}
	}
	return ""
}

// A stray is a probe with unexpected verdicts that no patch of its batch explains.
type stray struct {
	probe string
	saw   []string
	alone []string // the patches that also cause them alone
}

// strays lists them, in the order of the matrix.
func (b batch) strays(m *matrix.Matrix) (list []stray) {
	for p := range cells(m) {
		if p.verdict.Expected() || slices.ContainsFunc(b, func(o patch) bool { return o.explains(p.probe) }) {
			continue
		}
		if n := len(list) - 1; n < 0 || list[n].probe != p.probe {
			list = append(list, stray{probe: p.probe})
		}
		last := &list[len(list)-1]
		last.saw = append(last.saw, p.String())
	}
	return list
}

// blame adds the patch to the strays that it causes alone.
func blame(strays []stray, p patch, m *matrix.Matrix) {
	for i := range strays {
		s := &strays[i]
		for c := range cells(m) {
			if c.probe == s.probe && !c.verdict.Expected() && !slices.Contains(s.alone, p.Name()) {
				s.alone = append(s.alone, p.Name())
			}
		}
	}
}

// errors are one for each stray: the table of mutants does not have all that the
// patches do.
func (b batch) errors(strays []stray) (list []matrix.Mutant) {
	for _, s := range strays {
		why := strings.Join(s.saw, ", ") + ", and no patch of this kernel names the probe; "
		if len(s.alone) > 0 {
			why += strings.Join(s.alone, ", ") + " " + cause(len(s.alone)) + " it alone: name the probe in mutants.toml (also)"
		} else {
			why += "no patch causes it alone"
		}
		list = append(list, matrix.Mutant{Kind: matrix.Source, Site: b.names(), Status: matrix.MutantError, Why: why})
	}
	return list
}

func cause(n int) string {
	if n == 1 {
		return "causes"
	}
	return "cause"
}
