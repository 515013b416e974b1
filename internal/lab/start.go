package lab

import (
	"context"
	"errors"
	"sync"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
)

// start starts a guest's machine. A guest whose setting does not come from the
// kernel command line is forked from a template, a guest of the same kernel
// that booted once and in which nothing is locked; where that cannot be had,
// and for any other guest, the machine boots.
func (r *run) start(ctx context.Context, b *bootable, g matrix.Guest, config vm.Config) (m *vm.Machine, forked bool, err error) {
	if !r.Boot && len(g.Setting.KernelArgs()) == 0 {
		if t := r.template(ctx, b, config); t != nil {
			m, err := t.Fork(ctx, config)
			if err == nil || !errors.Is(err, vm.ErrCannotFork) {
				return m, true, err
			}
			r.note("%s: %v; it boots instead", g.ID(), err)
		}
	}
	m, err = vm.Start(ctx, config)
	return m, false, err
}

// A template is made by the first guest that wants to be forked from it; the
// others wait for it.
type template struct {
	once sync.Once
	vm   *vm.Template // nil: there is none, boot
}

// template gives the bootable's template, or nil.
func (r *run) template(ctx context.Context, b *bootable, config vm.Config) *vm.Template {
	b.template.once.Do(func() {
		t, err := vm.MakeTemplate(ctx, config, "")
		if err != nil {
			if ctx.Err() == nil {
				r.note("%s %s: %v; guests boot instead", b.build.Kernel.Name, b.build.Arch.Name, err)
			}
			return
		}
		for _, n := range t.Notes {
			r.note("%s %s: %s", b.build.Kernel.Name, b.build.Arch.Name, n)
		}
		b.template.vm = t
	})
	return b.template.vm
}

// closeTemplates gives up what the run's forks came from.
func (r *run) closeTemplates() {
	for _, b := range r.booted {
		if b.template.vm != nil {
			b.template.vm.Close()
		}
	}
}
