package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/vm"
	"github.com/ldlab/ldlab/vm/template"
)

// Memory of a template in MiB: of any guest of the lab's own kernels, and of a
// preforked child (2 MiB, measured).
const (
	baseMiB   = 256
	workerMiB = 2
)

// specialWorkers is the number of children preforked in a machine other than
// the plain one: few probes run there.
const specialWorkers = 4

// workers is the number of children that a guest preforks before it is ready. A
// booted guest gains nothing; a template starts them once for all of its forks.
// All guests of a run that could share a template have the same number.
func (s *Stage) workers(p part) int {
	if p.kind() == "" {
		return min(len(s.plan.Probes), guestproto.MaxWorkers)
	}
	return specialWorkers
}

// forkable reports whether the part of a guest may be forked: QEMU can, and its
// setting, and its mutant if it has one, do not come from the kernel command line.
func (s *Stage) forkable(g matrix.Guest, p part) bool {
	return !s.options.Boot && !s.boots[g.Arch] && len(g.Setting.KernelArgs()) == 0 && !p.mutant.atBoot
}

// chooseForks checks, before any guest of the kernel runs, whether QEMU can fork guests
// of its architecture, once if one may be forked. If QEMU cannot, a note is printed, and
// guests boot.
func (s *Stage) chooseForks(ctx context.Context, k *kernel) error {
	a := k.build.Arch
	_, checked := s.boots[a.Name]
	forks := func(g matrix.Guest) bool {
		return keyOfGuest(g) == keyOf(k.build) && (s.forkable(g, part{}) || s.shares(k, g))
	}
	if s.shell || checked || !slices.ContainsFunc(s.plan.Guests, forks) {
		return nil
	}
	err := s.checkForks(ctx, k.machine(lockdown.Setting{}, plain), s.options.Cache)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.boots[a.Name] = err != nil
	switch {
	case err == nil:
	case s.options.Accel == string(vm.KVM) && k.host.Accel == string(vm.KVM):
		// Nobody has tested this KVM, so it may be to blame.
		s.note("%s: every guest boots: QEMU started no copy of a machine with KVM, which --accel chose and which may not work here: %v", a.Name, err)
	default:
		s.note("%s: every guest boots, which takes longer, because QEMU %v", a.Name, err)
	}
	return nil
}

// forkConfig is the machine of a part's template.
func (s *Stage) forkConfig(p part, config vm.Config) vm.Config {
	n := cmp.Or(p.workers, s.workers(p))
	config.Append = append(slices.Clip(config.Append), guestproto.ArgWorkers+strconv.Itoa(n))
	config.MemoryMiB += n * workerMiB
	return config
}

// config is the machine of a part that boots.
func (s *Stage) config(k *kernel, g matrix.Guest, p part) vm.Config {
	c := k.machine(g.Setting, p.profile)
	c.BootTimeout = s.options.Timeout
	if s.options.Console {
		c.Console = s.feed
	}
	c.Append = append(c.Append, p.mutant.kernelArgs()...)
	return c
}

// start starts a part of a guest. If it can be forked, it is forked from a
// template: a guest of the same kernel that booted once and in which nothing is
// locked, or from a template that shareBoots made for this guest. Otherwise, or if
// there is no template, it boots.
func (s *Stage) start(ctx context.Context, k *kernel, g matrix.Guest, p part) (m *vm.Machine, forked bool, err error) {
	config := s.config(k, g, p)
	forkConfig := s.forkConfig(p, config)
	t := p.booted
	if s.forkable(g, p) {
		t = s.makeTemplate(ctx, k, p, forkConfig)
	}
	if t != nil {
		m, err := t.Fork(ctx, forkConfig)
		if err == nil || !errors.Is(err, template.ErrCannotFork) {
			return m, true, err
		}
		s.note("%s: %v; it boots instead", g.ID(), err)
	}
	m, err = vm.Start(ctx, config)
	return m, false, err
}

// A templateKey names the template of a kernel in a machine profile.
type templateKey struct {
	kernel  key
	profile string
}

// A sharedTemplate is made by the first guest that needs it; the others wait
// for it.
type sharedTemplate struct {
	once sync.Once
	vm   *template.Template // nil: there is none, boot
}

// template returns the kernel's template for the part's machine, or nil. Probes
// that run alone in their machine share one.
func (s *Stage) template(ctx context.Context, k *kernel, p part, config vm.Config) *template.Template {
	id := templateKey{keyOf(k.build), p.kind()}
	s.mu.Lock()
	t := s.templates[id]
	if t == nil {
		t = &sharedTemplate{}
		s.templates[id] = t
	}
	s.mu.Unlock()
	t.once.Do(func() {
		made, err := template.Make(ctx, config, s.options.Cache, func(line string) { s.note("%s: %s", id.kernel, line) })
		if err != nil {
			if ctx.Err() == nil {
				s.note("%s: %v; guests boot instead", id.kernel, err)
			}
			return
		}
		made.StandBy()
		t.vm = made
	})
	return t.vm
}

// closeTemplates closes the templates.
func (s *Stage) closeTemplates() {
	for _, t := range s.templates {
		if t.vm != nil {
			t.vm.Close()
		}
	}
}
