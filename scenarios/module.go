package scenarios

import (
	"context"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	nopModule = "ldlab_nop"

	// MODULE_INIT_IGNORE_MODVERSIONS: include/uapi/linux/module.h, v6.12.
	ignoreModversions = 1
)

func init() { register("module", moduleScenario) }

// module_sig_check is the first thing in load_module, and asks only where a
// module has no signature, or one whose key or crypto the kernel does not have
// (kernel/module/signing.c, v6.12). A signature that is wrong is refused
// whatever is locked, and so is everything under module.sig_enforce: both say
// EKEYREJECTED.
func moduleScenario() Scenario {
	const site = "kernel/module/signing.c:module_sig_check"
	needs := []string{"CONFIG_MODULES", "CONFIG_MODULE_SIG"}
	return Scenario{
		Name:  "module",
		Title: "load code into the kernel that nobody signed",
		Probes: []Probe{
			{
				Name: "init-junk", Call: "init_module(128 zero bytes)",
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result {
					return junkModule("init_module(128 zero bytes)", unix.InitModule(make([]byte, junkSize), ""))
				},
			},
			{
				Name: "finit-junk", Call: "finit_module(128 zero bytes)",
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return finitJunk() },
			},
			{
				Name: "unsigned", Call: "finit_module(ldlab_nop, not signed)",
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return loadModule(ModuleUnsigned, "", 0) },
			},
			{
				Name: "wrong-key", Call: "finit_module(ldlab_nop, signed with a key that the kernel does not know)",
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return loadModule(ModuleWrongKey, "", 0) },
			},
			{
				Name: "ignore-modversions", Call: "finit_module(ldlab_nop, signed, MODULE_INIT_IGNORE_MODVERSIONS)",
				// A module whose versions are not looked at is not the one that
				// was signed: its signature does not count.
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return loadModule(ModuleSigned, "", ignoreModversions) },
			},
			{
				Name: "signed", Call: "finit_module(ldlab_nop, signed with the lab's key)", Expect: Unchecked,
				Reason: "module_signature", Site: site, Needs: needs,
				Act: func(context.Context, Env) Result { return loadModule(ModuleSigned, "", 0) },
			},
			{
				Name: "list", Call: `read("/proc/modules")`, Expect: Unchecked,
				Reason: "module_signature", Site: "kernel/module/procfs.c:modules_open", Needs: needs[:1],
				Act: func(context.Context, Env) Result {
					_, r := readText("/proc/modules")
					return absent(r, "CONFIG_MODULES", unix.ENOENT)
				},
			},
		},
	}
}

// junkSize is more than an ELF header: less is refused before lockdown is asked.
const junkSize = 128

// junkModule takes the refusal of what is no ELF file, which comes after
// lockdown's, for the act being allowed. Nothing was loaded.
func junkModule(act string, err error) Result {
	if err == nil {
		return Result{Outcome: Failed, Call: call(act, nil), Why: "zeros are no module"}
	}
	r := past(judge(act, err), unix.ENOEXEC)
	return absent(r, "CONFIG_MODULES", unix.ENOSYS)
}

func finitJunk() Result {
	fd, err := unix.MemfdCreate("junk", unix.MFD_CLOEXEC)
	if err != nil {
		return failed("memfd_create", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, junkSize); err != nil {
		return failed("ftruncate(memfd)", err)
	}
	return junkModule("finit_module(128 zero bytes)", unix.FinitModule(fd, "", 0))
}

// loadModule loads a module of the guest, with NAME=VALUE or no parameters, and
// takes it out again. The kernel ignores a parameter that a module does not
// have, so that one must be seen to be there.
func loadModule(file, param string, flags int) Result {
	act := fmt.Sprintf("finit_module(%s, %q, %#x)", path.Base(file), param, flags)
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return Result{Outcome: Unavailable, Call: call(openAct(file, unix.O_RDONLY), err), Why: noModule}
	}
	if err != nil {
		return failed(openAct(file, unix.O_RDONLY), err)
	}
	defer unix.Close(fd)
	err = unix.FinitModule(fd, param, flags)
	r := absent(judge(act, err), "CONFIG_MODULES", unix.ENOSYS)
	if err != nil {
		return r
	}
	name, _, _ := strings.Cut(param, "=")
	if param != "" && !exists("/sys/module/"+nopModule+"/parameters/"+name) {
		r.Outcome, r.Why = Failed, "the module has no such parameter"
	}
	if err := unix.DeleteModule(nopModule, unix.O_NONBLOCK); err != nil {
		return failed("delete_module("+nopModule+")", err)
	}
	return r
}
