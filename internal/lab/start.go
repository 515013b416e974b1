package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// start starts a guest's machine. A guest whose setting does not come from the
// kernel command line is forked from a template, a guest of the same kernel
// that booted once and in which nothing is locked; where that cannot be had,
// and for any other guest, the machine boots.
func (r *run) start(ctx context.Context, b *bootable, g matrix.Guest, p part, config vm.Config) (m *vm.Machine, forked bool, err error) {
	if !r.Boot && len(g.Setting.KernelArgs()) == 0 && !p.mutantAtBoot {
		forked := config
		n := r.workers(p)
		forked.Append = append(slices.Clip(config.Append), fmt.Sprintf("ldlab.workers=%d", n))
		forked.MemoryMiB = baseMiB + n*workerMiB
		if t := r.template(ctx, b, p, forked); t != nil {
			m, err := t.Fork(ctx, forked)
			if err == nil || !errors.Is(err, vm.ErrCannotFork) {
				return m, true, err
			}
			r.note("%s: %v; it boots instead", g.ID(), err)
		}
	}
	m, err = vm.Start(ctx, config)
	return m, false, err
}

// Memory of a template, in MiB: what any guest has, and what a waiting child
// takes (2 MiB, measured).
const (
	baseMiB   = 256
	workerMiB = 2
)

// maxWorkers bounds the children that wait; the guest program has the same
// bound (initramfs/guest/worker.go).
const maxWorkers = 256

// specialWorkers is how many children wait in a machine that is not the plain
// one: few probes run there.
const specialWorkers = 4

// workers is how many children a guest starts before it is ready. A boot would
// only start them earlier; a template starts them once for all of its forks. It
// is the same for every guest of a run that could share a template, whatever
// runs in it.
func (r *run) workers(p part) int {
	if p.name == "" {
		return min(len(r.plan.Probes), maxWorkers)
	}
	return specialWorkers
}

// A template is made by the first guest that wants to be forked from it; the
// others wait for it.
type template struct {
	once sync.Once
	vm   *vm.Template // nil: there is none, boot
}

// template gives the bootable's template for the part's machine, or nil.
// Probes that are alone in their machine share one.
func (r *run) template(ctx context.Context, b *bootable, p part, config vm.Config) *vm.Template {
	kind, _, _ := strings.Cut(p.name, " ")
	r.mu.Lock()
	t := b.templates[kind]
	if t == nil {
		t = &template{}
		b.templates[kind] = t
	}
	r.mu.Unlock()
	t.once.Do(func() {
		made, err := vm.MakeTemplate(ctx, config, filepath.Join(r.Cache, "templates"))
		if err != nil {
			if ctx.Err() == nil {
				r.note("%s %s: %v; guests boot instead", b.build.Kernel.Name, b.build.Arch.Name, err)
			}
			return
		}
		for _, n := range made.Notes {
			r.note("%s %s: %s", b.build.Kernel.Name, b.build.Arch.Name, n)
		}
		made.StandBy()
		t.vm = made
	})
	return t.vm
}

// closeTemplates gives up what the run's forks came from.
func (r *run) closeTemplates() {
	for _, b := range r.booted {
		for _, t := range b.templates {
			if t.vm != nil {
				t.vm.Close()
			}
		}
	}
}
