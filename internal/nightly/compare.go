package nightly

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/diff"
)

// compare reads each run, counts its verdicts, and compares it with that of the night
// before. Only two matrices are in memory at once.
func (n *Night) compare(root string, o Options) error {
	names, err := runsIn(n.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		r := Run{Name: name}
		now, err := load(filepath.Join(n.Dir, name), o.Known, n.Line.Begun)
		if err != nil {
			r.Damaged, r.Lines = true, append(r.Lines, fmt.Sprintf("its results cannot be read: %v", err))
			n.Runs = append(n.Runs, r)
			continue
		}
		r.Damaged, r.Lines = len(now.Problems) > 0, append(r.Lines, now.Problems...)
		r.Kernels, r.Good = history.Count(name, now), now.AsExpected()
		n.Line.Kernels = append(n.Line.Kernels, r.Kernels...)
		if n.Before != nil {
			n.against(root, &r, now, o)
		}
		n.Runs = append(n.Runs, r)
	}
	if n.Before == nil {
		return nil
	}
	for _, k := range n.Before.Kernels {
		if !slices.Contains(names, k.Run) && !slices.ContainsFunc(n.Runs, func(r Run) bool { return r.Name == k.Run }) {
			n.Runs = append(n.Runs, Run{Name: k.Run, Lines: []string{"it is missing, and the night before had it"}})
		}
	}
	return nil
}

// against compares a run with that of the night before, or, if only the history is left
// of that, its counts.
func (n *Night) against(root string, r *Run, now *matrix.Matrix, o Options) {
	had := func(k history.Kernel) bool { return k.Run == r.Name }
	if !slices.ContainsFunc(n.Before.Kernels, had) {
		r.Lines = append(r.Lines, "it is new: the night before does not have it")
		return
	}
	diff.Slim(now)
	before, err := load(filepath.Join(root, n.Before.Name, r.Name), o.Known, n.Before.Begun)
	switch {
	case errors.Is(err, os.ErrNotExist): // its results were removed
		r.Counts = countsChanged(n.Before.Kernels, r)
		return
	case err != nil:
		r.Lines = append(r.Lines, fmt.Sprintf("the results of the night before cannot be read: %v", err))
		r.Counts = countsChanged(n.Before.Kernels, r)
		return
	}
	for _, p := range before.Problems {
		r.Lines = append(r.Lines, "the results of the night before: "+p)
	}
	list, err := diff.Compare(before, now, "", "")
	if err != nil {
		r.Lines = append(r.Lines, err.Error())
	}
	for _, d := range list {
		if changed(d) {
			r.Diffs = append(r.Diffs, d)
		}
	}
	r.Lines = append(r.Lines, kernelsChanged(before, now)...)
	r.Lines = append(r.Lines, issuesChanged(before, now)...)
}

// changed reports whether a comparison has anything to tell.
func changed(d diff.Diff) bool {
	return len(d.Changes)+len(d.Guests)+len(d.Slower)+len(d.Calls)+len(d.Reasons)+len(d.Missing) > 0
}

// kernelsChanged names the kernels that one of two runs has.
func kernelsChanged(before, now *matrix.Matrix) (list []string) {
	has := func(m *matrix.Matrix, t matrix.Table) bool {
		return slices.ContainsFunc(m.Tables, func(o matrix.Table) bool { return o.Kernel == t.Kernel && o.Arch == t.Arch })
	}
	for _, t := range before.Tables {
		if !has(now, t) {
			list = append(list, fmt.Sprintf("%s %s is gone", t.Kernel, t.Arch))
		}
	}
	for _, t := range now.Tables {
		if !has(before, t) {
			list = append(list, fmt.Sprintf("%s %s is new", t.Kernel, t.Arch))
		}
	}
	return list
}

// issuesChanged names the known issues of which something else became than in the night
// before.
func issuesChanged(before, now *matrix.Matrix) (list []string) {
	for _, i := range now.Issues {
		was := matrix.IssueUntouched
		for _, o := range before.Issues {
			if o.Cell == i.Cell && o.Verdict == i.Verdict {
				was = o.State
			}
		}
		if i.State != was && i.State != matrix.IssueUntouched {
			list = append(list, fmt.Sprintf("known issue %s: %s: %s: %s, before: %s", i.Place, i.Cell, i.Verdict, i.State, was))
		}
	}
	return list
}

// countsChanged compares the counts of a run with those in the history.
func countsChanged(before []history.Kernel, r *Run) (list []string) {
	for _, k := range r.Kernels {
		i := slices.IndexFunc(before, func(o history.Kernel) bool { return o.Run == k.Run && o.Kernel == k.Kernel && o.Arch == k.Arch })
		if i < 0 {
			list = append(list, fmt.Sprintf("%s %s is new", k.Kernel, k.Arch))
			continue
		}
		for _, v := range matrix.Verdicts() {
			if a, b := before[i].Counts[v], k.Counts[v]; a != b {
				list = append(list, fmt.Sprintf("%s %s: %d %s, before %d", k.Kernel, k.Arch, b, v, a))
			}
		}
	}
	return list
}

// day is the day of a night, as a reader writes it.
func day(n history.Night) string { return fmt.Sprintf("%s (%s)", n.Name, n.Begun.Format(time.RFC3339)) }
