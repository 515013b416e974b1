package modules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/internal/arch"
)

// A Kernel describes the kernel whose modules the user gives.
type Kernel struct {
	Name              string
	Arch              *arch.Arch
	Release, Vermagic string // empty: not known
}

// Check reports why the tree is not that of the kernel, by one of its modules, whatever a
// guest needs of them: another kernel may have built in what this one has as modules.
func (t *Tree) Check(k Kernel) error {
	m, err := t.Sample()
	if err != nil {
		return err
	}
	if err := m.Check(k); err != nil {
		return fmt.Errorf("%w (%s)", err, t.name)
	}
	return nil
}

// Check reports why a module is not one of the kernel's. The kernel itself would refuse
// it, and some kernels by its symbols only.
func (m Module) Check(k Kernel) error {
	why := ""
	is, want := strings.TrimSpace(m.Vermagic), strings.TrimSpace(k.Vermagic)
	switch {
	case m.Machine != k.Arch.ELF:
		machine := m.Machine.String()
		if a := arch.OfELF(m.Machine); a != nil {
			machine = a.Name
		}
		why = fmt.Sprintf("is for %s, and its module %s is for %s", k.Arch.Name, m.Name, machine)
	case k.Release != "" && m.Release() != k.Release:
		why = fmt.Sprintf("is %s, and its modules are those of %s", k.Release, m.Release())
	case want != "" && is != want:
		why = fmt.Sprintf("wants modules for %q, and its module %s is for %q", want, m.Name, is)
	default:
		return nil
	}
	return fmt.Errorf("kernel %s %s: give the modules of that kernel", k.Name, why)
}

// harmless are modules of most distributions that a probe can load and unload: they
// are libraries, drive nothing and need no other.
var harmless = []string{"lru_cache", "crc7", "crc_itu_t", "crc8", "crc4"}

// Harmless is a module that a probe can load, which is signed and is none of those that
// are carried anyway, and the same without its signature. Both are empty if there is none.
func (t *Tree) Harmless(carried []Module) (signed, plain Module, err error) {
	for _, name := range harmless {
		m, err := t.Module(name)
		used := slices.ContainsFunc(carried, func(c Module) bool { return c.Name == m.Name })
		if errors.Is(err, ErrMissing) || err == nil && (used || !m.Signed || len(m.Depends) > 0) {
			continue
		}
		if err != nil {
			return Module{}, Module{}, err
		}
		plain, err := m.Unsigned()
		return m, plain, err
	}
	return Module{}, Module{}, nil
}
