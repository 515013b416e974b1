package engine

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/kernels"
	"github.com/ldlab/ldlab/kernels/modules"
	"github.com/ldlab/ldlab/scenarios"
)

// channelModules are what the guest program's port needs of the kernel: the symbol
// and its module.
var channelModules = []struct{ symbol, module string }{
	{"CONFIG_VIRTIO_PCI", "virtio_pci"},
	{"CONFIG_VIRTIO_CONSOLE", "virtio_console"},
}

// A loadable is what a guest loads of a ready kernel's modules.
type loadable struct {
	files   map[string][]byte // content by path in the guest
	symbols map[string]bool   // the symbols of the configuration that they provide
}

// checkChannel reports why a kernel cannot give the guest program its port; nil if
// it can, or if its configuration is not known.
func (k *kernel) checkChannel() error {
	for _, c := range channelModules {
		value, known := k.built.ConfigValue(c.symbol)
		switch {
		case !known || value == "y":
		case value == "m" && k.built.Modules == "":
			return fmt.Errorf("kernel %s: %s=m and no modules given, so its guest cannot talk to the lab: give them with --modules", k.build.Kernel.Name, c.symbol)
		case value != "m":
			return fmt.Errorf("kernel %s: %s is off, so its guest cannot talk to the lab", k.build.Kernel.Name, c.symbol)
		}
	}
	return nil
}

// modules reads those of the kernel's modules that the guest's port and the probes of
// the plan need. Errors in what a user gave are a *kernels.InputError, those of this
// machine are not.
func (s *Stage) modules(ctx context.Context, k *kernel) (l loadable, err error) {
	if err = k.checkChannel(); err == nil && k.built.Modules != "" {
		l, err = s.readModules(ctx, k)
	}
	if err != nil && s.plan.Selection.Image != "" && ctx.Err() == nil && !errors.As(err, new(*modules.HostError)) {
		err = &kernels.InputError{Err: err}
	}
	return l, err
}

func (s *Stage) readModules(ctx context.Context, k *kernel) (l loadable, err error) {
	tree, err := modules.Read(ctx, k.built.Modules)
	if err != nil {
		return l, err
	}
	defer tree.Close()
	if err := tree.Check(identity(k)); err != nil {
		return l, err
	}
	l.files, l.symbols = map[string][]byte{}, map[string]bool{}
	var names []string
	add := func(symbol string, list ...string) {
		value, known := k.built.ConfigValue(symbol)
		if known && value != "m" {
			return
		}
		for _, name := range list { // a symbol that is m needs the module's file; modules.builtin does not count
			if tree.HasFile(name) || !known && tree.Has(name) {
				names = append(names, name)
				l.symbols[symbol] = true
			}
		}
	}
	for _, c := range channelModules {
		add(c.symbol, c.module)
		if value, _ := k.built.ConfigValue(c.symbol); value == "m" && !l.symbols[c.symbol] {
			return l, fmt.Errorf("kernel %s: %s=m and %s has no module %s: it is not that kernel's", k.build.Kernel.Name, c.symbol, k.built.Modules, c.module)
		}
	}
	for _, row := range scenarios.Rows() {
		if slices.Contains(s.plan.Probes, row.ID) {
			for _, symbol := range row.Symbols() {
				add(symbol, scenarios.ModulesOf(symbol)...)
			}
		}
	}
	list, err := tree.Order(names...)
	if err != nil {
		return l, err
	}
	if err = l.carry(k, list); err == nil {
		err = l.payloads(tree, list)
	}
	return l, err
}

func identity(k *kernel) modules.Kernel {
	return modules.Kernel{Name: k.build.Kernel.Name, Arch: k.built.Arch, Release: k.built.Release, Vermagic: k.built.Vermagic}
}

// carry puts modules into the guest, in order.
func (l *loadable) carry(k *kernel, list []modules.Module) error {
	if len(list) > 999 { // their names would not be in order
		return errors.New("too many modules")
	}
	for i, m := range list {
		if err := m.Check(identity(k)); err != nil {
			return err
		}
		l.files[path.Join(guestproto.ModulesDir, fmt.Sprintf("%03d-%s.ko", i, m.Name))] = m.Data
	}
	return nil
}

// payloads gives the probes that load a module one that the distribution has signed,
// the same without its signature, and with a stranger's. A kernel whose modules
// nobody signed has none.
func (l *loadable) payloads(tree *modules.Tree, carried []modules.Module) error {
	signed, plain, err := tree.Harmless(carried)
	if err != nil || signed.Data == nil {
		return err
	}
	l.files[scenarios.ModuleSigned] = signed.Data
	l.files[scenarios.ModuleUnsigned] = plain.Data
	l.files[scenarios.ModuleWrongKey] = slices.Concat(plain.Data, scenarios.StrangersSignature())
	return nil
}
