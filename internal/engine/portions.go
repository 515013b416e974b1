package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// On a kernel that does not count its checks, the evidence is a line of the log, of
// which the kernel prints 10 in 5 s. A guest waits for these lines and does little
// else. So the probes of its plain machine are divided among several machines, each of
// which has a kernel with a limit of its own, and its machines run at once.
const (
	portionLines  = 20 // expected lines that are worth another machine: 10 s
	portionProbes = 60 // probes that are worth another machine if a processor is idle
	maxPortions   = 8  // machines of a guest at once
)

// lines is how many denial lines the kernel is expected to log for a probe.
func lines(g matrix.Guest, id string) int {
	row, ok := scenarios.Find(id)
	if !ok || !row.On(g.Arch) || row.Expect != scenarios.Checked && row.Expect != scenarios.Gap || len(row.Refusing(g.Setting)) == 0 || row.DeniedAtBoot(g.Setting) {
		return 0
	}
	return max(row.Lines, 1)
}

// weight is how much of a portion a probe is: waiting for a line takes about as long as
// two probes with their variants.
func weight(g matrix.Guest, id string) int { return 1 + 2*lines(g, id) }

// portions divides the probes of a part among parts of the same profile, by weight and
// in order. The first one keeps the part's name. What waits for no line, as the control,
// is divided among the processors.
func portions(g matrix.Guest, p part, processors int) []part {
	logged, total := 0, 0
	for _, id := range p.probes {
		logged += lines(g, id)
		total += weight(g, id)
	}
	n := min(max(logged/portionLines, min(processors, len(p.probes)/portionProbes)), maxPortions)
	if n < 2 {
		return []part{p}
	}
	list := make([]part, n)
	seen := 0
	for _, id := range p.probes {
		w := weight(g, id)
		i := min((seen+w/2)*n/total, n-1)
		list[i].probes = append(list[i].probes, id)
		seen += w
	}
	for i := range list {
		list[i].name, list[i].profile, list[i].mutant = p.name, p.profile, p.mutant
		if i > 0 {
			list[i].name = fmt.Sprintf("%s %d of %d", p.name, i+1, n)
		}
	}
	return list
}

// divided are a guest's parts as they run on the kernel.
func divided(k *kernel, g matrix.Guest, parts []part) (list []part) {
	if k.counts() {
		return parts
	}
	for _, p := range parts {
		if p.name == "" {
			list = append(list, portions(g, p, runtime.GOMAXPROCS(0))...)
		} else {
			list = append(list, p)
		}
	}
	return list
}

// machines runs the machines of a guest: one after the other if its kernel counts,
// because they are at work then, and else at once. If one does not end well, those that
// have not begun do not run. The result has them in the order of the parts.
func (s *Stage) machines(ctx, talking context.Context, k *kernel, j job, parts []part) (runs []matrix.MachineRun, end matrix.End) {
	atOnce := 1
	if !k.counts() {
		atOnce = maxPortions
	}
	var mu sync.Mutex
	all, ends := make([]*matrix.MachineRun, len(parts)), make([]matrix.End, len(parts))
	gate := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, p := range parts {
		gate <- struct{}{}
		mu.Lock()
		stop := slices.ContainsFunc(ends, func(e matrix.End) bool { return !e.Well() })
		mu.Unlock()
		if stop {
			break
		}
		wait.Go(func() {
			defer func() { <-gate }()
			run, e := s.runMachine(ctx, talking, k, j, p)
			mu.Lock()
			defer mu.Unlock()
			all[i], ends[i] = &run, e
		})
	}
	wait.Wait()
	for i, run := range all {
		if run != nil {
			runs = append(runs, *run)
		}
		if end.Well() { // the first one in order, whichever came first in time
			end = ends[i]
		}
	}
	return runs, end
}
