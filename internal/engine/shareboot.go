package engine

import (
	"context"
	"maps"
	"sync"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm/template"
)

// shareBoots boots one machine for each profile of which a guest that is locked at boot
// has several, and gives it to the parts: they are forked from it. Only kernels that do
// not count have many machines of a profile (see divided), and these are those of
// distributions, whose boot takes seconds. What was booted belongs to this guest; close
// closes it.
func (s *Stage) shareBoots(ctx context.Context, k *kernel, g matrix.Guest, parts []part) (close func()) {
	if s.options.Boot || s.boots[g.Arch] || k.counts() || len(g.Setting.KernelArgs()) == 0 {
		return func() {}
	}
	members := map[string][]int{}
	for i, p := range parts {
		if !p.mutant.atBoot {
			members[p.kind()] = append(members[p.kind()], i)
		}
	}
	maps.DeleteFunc(members, func(_ string, list []int) bool { return len(list) < 2 })
	var wait sync.WaitGroup
	var mu sync.Mutex
	var made []*template.Template
	for _, list := range members {
		workers := 1
		for _, i := range list {
			workers = max(workers, min(len(parts[i].probes), guestproto.MaxWorkers))
		}
		for _, i := range list {
			parts[i].workers = workers
		}
		wait.Go(func() {
			p := parts[list[0]]
			t, err := s.bootTemplate(ctx, s.forkConfig(p, s.config(k, g, p)))
			if err != nil {
				if ctx.Err() == nil {
					s.note("%s: %v; its machines boot instead", g.ID(), err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			made = append(made, t)
			for _, i := range list {
				parts[i].booted = t
			}
		})
	}
	wait.Wait()
	return func() {
		for _, t := range made {
			t.Close()
		}
	}
}
