// Package module loads kernel modules and unloads them.
package module

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// nopModule is the module that the guest of a kernel of the lab has:
// kernels/patches/lab has its source. The guest of a distribution's kernel has one
// of that kernel's.
const nopModule = "ldlab_nop"

// Flags of finit_module: include/uapi/linux/module.h, v6.12.
const (
	IgnoreModversions = 1
	IgnoreVermagic    = 2
	CompressedFile    = 4
)

// A Loading is one way of loading a module of the guest.
type Loading struct {
	File   string // in the guest
	Memory bool   // from memory with init_module, which has no flags
	Copied bool   // from a file in memory
	Behind int    // so many bytes of zeros behind it, in a file in memory
	Flags  int    // with CompressedFile, the module is packed first

	Params string   // NAME=VALUE ..., or empty
	Sets   []string // "name=value" as sysfs shows it once the parameter is set
}

// Load loads the module, looks whether it is there with its parameters, and
// unloads it. The kernel ignores an unknown parameter.
func (l Loading) Load() observe.Report {
	name, r := nameIn(l.File)
	if r.Outcome != observe.Allowed {
		return r
	}
	if len(l.Sets) > 0 && name != nopModule {
		return observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: observe.NoModule} // another module has other parameters
	}
	if loaded(name) {
		return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("stat(%q)", dirOf(name)), Why: "the module is loaded already"}
	}
	r, text := l.doAndLog()
	if r.Outcome == observe.Unavailable || strings.HasPrefix(r.Why, "setup") {
		return r
	}
	r = l.look(r, name, text)
	if loaded(name) {
		if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil {
			r.Look += ", and it cannot be unloaded: " + observe.ErrnoName(err)
		}
	}
	return r
}

// While loads the lab's module, does something with its directory in sysfs, and
// unloads it.
func (l Loading) While(do func(dir string) observe.Report) observe.Report {
	name, r := nameIn(l.File)
	if r.Outcome != observe.Allowed {
		return r
	}
	if name != nopModule {
		return observe.Report{Outcome: observe.Unavailable, Call: r.Call, Why: observe.NoModule} // another module has other parameters
	}
	if loaded(name) {
		return observe.Report{Outcome: observe.Failed, Call: fmt.Sprintf("stat(%q)", dirOf(name)), Why: "the module is loaded already"}
	}
	if r = l.do(); r.Outcome != observe.Allowed {
		return observe.Report{Outcome: observe.Failed, Call: r.Call, Errno: r.Errno, Why: "the module cannot be loaded"}
	}
	r = do(dirOf(name))
	if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil {
		r.Look += ", and it cannot be unloaded: " + observe.ErrnoName(err)
	}
	return r
}

// nameIn is the name of the module in a file of the guest: the field name of its
// section .modinfo (scripts/mod/modpost.c, v6.12).
func nameIn(file string) (string, observe.Report) {
	call := fmt.Sprintf("read(%q)", file)
	data, err := os.ReadFile(file)
	if errors.Is(err, unix.ENOENT) {
		return "", observe.Report{Outcome: observe.Unavailable, Call: fmt.Sprintf("open(%q, O_RDONLY)", file), Errno: observe.ErrnoName(unix.ENOENT), Why: observe.NoModule}
	}
	if err != nil {
		return "", observe.SetupFailed(call, err)
	}
	const field = "\x00name="
	_, rest, found := bytes.Cut(data, []byte(field))
	name, _, ended := bytes.Cut(rest, []byte{0})
	if !found || !ended || len(name) == 0 || len(name) > maxName {
		return "", observe.SetupFailed(call, errors.New("it has no name"))
	}
	return string(name), observe.Report{Outcome: observe.Allowed, Call: call}
}

// maxName is MODULE_NAME_LEN of include/linux/moduleparam.h, v6.12.
const maxName = 64 - 8

// dirOf is the directory of a loaded module.
func dirOf(name string) string { return "/sys/module/" + name }

// loaded reports whether the kernel has the module.
func loaded(name string) bool { return observe.Exists(dirOf(name)) || listed(name) }

// doAndLog is the system call, and what the kernel logs in the meantime if the
// module has parameters.
func (l Loading) doAndLog() (observe.Report, string) {
	if len(l.Sets) == 0 {
		return l.do(), ""
	}
	log, err := observe.TailLog()
	if err != nil {
		return observe.SetupFailed(`open("/dev/kmsg")`, err), ""
	}
	r := l.do()
	return r, log.Close()
}

// do is the system call.
func (l Loading) do() observe.Report {
	fd, r := observe.Open(l.File, unix.O_RDONLY)
	if r.Errno == observe.ErrnoName(unix.ENOENT) {
		r.Outcome, r.Why = observe.Unavailable, observe.NoModule
	}
	if r.Outcome != observe.Allowed {
		return r
	}
	defer unix.Close(fd)
	name := path.Base(l.File)
	call := fmt.Sprintf("finit_module(%s, %q, %#x)", name, l.Params, l.Flags)
	if l.Memory || l.Copied || l.Behind > 0 || l.Flags&CompressedFile != 0 {
		image, err := os.ReadFile(l.File)
		if err != nil {
			return observe.SetupFailed(fmt.Sprintf("read(%q)", l.File), err)
		}
		if l.Memory {
			return fromError(fmt.Sprintf("init_module(%s, %q)", name, l.Params), unix.InitModule(image, l.Params))
		}
		if l.Flags&CompressedFile != 0 {
			image = gzip(image)
		}
		image = append(image, make([]byte, l.Behind)...)
		return finit(call, image, l.Params, l.Flags)
	}
	return fromError(call, unix.FinitModule(fd, l.Params, l.Flags))
}

// finit loads a file in memory with the content.
func finit(call string, content []byte, params string, flags int) observe.Report {
	fd, err := unix.MemfdCreate("module", unix.MFD_CLOEXEC)
	if err != nil {
		return observe.SetupFailed("memfd_create", err)
	}
	defer unix.Close(fd)
	if _, err := unix.Pwrite(fd, content, 0); err != nil {
		return observe.SetupFailed("pwrite(memfd)", err)
	}
	return fromError(call, unix.FinitModule(fd, params, flags))
}

func fromError(call string, err error) observe.Report {
	return observe.UnavailableIf(observe.FromError(call, err), "CONFIG_MODULES", unix.ENOSYS)
}

// look adds to the report of a loading whether the module is there, or, if it has
// parameters, whether they are set. The module logs that its parameter irq is
// set, because nothing else is left of that if the module is then refused.
func (l Loading) look(r observe.Report, module, log string) observe.Report {
	there := loaded(module)
	if len(l.Sets) == 0 {
		return r.Saw(there, fmt.Sprintf("%s or /proc/modules has it: %v", dirOf(module), there))
	}
	var shown []string
	for _, s := range l.Sets {
		name, _, _ := strings.Cut(s, "=")
		if !there {
			break
		}
		value, look := observe.ReadText(dirOf(module) + "/parameters/" + name)
		if look.Outcome != observe.Allowed {
			value = look.Errno
		}
		shown = append(shown, name+"="+value)
	}
	return judgeParams(r, l.Sets, shown, log)
}

// listed reports whether the kernel lists the module.
func listed(name string) bool {
	list, _ := observe.ReadBounded("/proc/modules")
	return strings.HasPrefix(list, name+" ") || strings.Contains(list, "\n"+name+" ")
}

// judgeParams adds to the report of a loading whether all parameters are set. shown
// are their values, none if the module is not there.
func judgeParams(r observe.Report, sets, shown []string, log string) observe.Report {
	if len(shown) > 0 {
		return r.Saw(slices.Equal(shown, sets), "the parameters are "+strings.Join(shown, ", "))
	}
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, nopModule+": irq is set") {
			return r.Saw(true, fmt.Sprintf("the module logged %q", strings.TrimSpace(line)))
		}
	}
	return r.Saw(false, "the module is not there and logged nothing")
}
