package engine

import (
	"context"
	"errors"
	"maps"
	"sync"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// shares reports whether machines of the guest may be forked from one of its own, which
// is locked at boot. Kernels that do not count have up to eight plain machines (see
// divided). Most are a distribution's, and boot for seconds.
func (s *Stage) shares(k *kernel, g matrix.Guest) bool {
	return !s.options.Boot && !s.boots[g.Arch] && !k.counts() && len(g.Setting.KernelArgs()) > 0
}

// shareBoots boots one machine for each profile that several machines of the guest have,
// and the parts are forked from it. The end is bad if the guest is to blame that one did
// not boot. close closes them.
func (s *Stage) shareBoots(ctx context.Context, k *kernel, g matrix.Guest, parts []part) (close func(), end matrix.End) {
	if !s.shares(k, g) {
		return func() {}, end
	}
	members := map[string][]int{}
	for i, p := range parts {
		members[p.kind()] = append(members[p.kind()], i)
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
		wait.Go(func() {
			p := parts[list[0]]
			p.workers = workers
			t, err := s.ownTemplate(ctx, s.forkConfig(p, s.config(k, g, p)))
			mu.Lock()
			defer mu.Unlock()
			var guest *vm.GuestError
			switch {
			case err == nil:
				made = append(made, t)
				for _, i := range list {
					parts[i].booted, parts[i].workers = t, workers
				}
			case errors.As(err, &guest) && guest.End.Cause.Guest():
				end = lost(guest.End, err, "")
			case ctx.Err() == nil:
				s.note("%s: %v; its machines boot instead", g.ID(), err)
			}
		})
	}
	wait.Wait()
	return func() {
		for _, t := range made {
			t.Close()
		}
	}, end
}
