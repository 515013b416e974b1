package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// The one site is the first thing that testmmiotrace does, a module that
// writes rubbish to the address it is given. It is never given one here, and
// then says ENXIO (arch/x86/mm/testmmiotrace.c:init, v6.12): an address would
// be refused as a module parameter before. The tracer itself does not ask.
func init() {
	only := []string{"x86_64"}
	register(Scenario{
		Name:  "mmiotrace",
		Title: "write to any physical address with the test module of mmiotrace",
		Probes: []Probe{
			{
				Name: "test-module", Act: `finit_module(testmmiotrace, "", 0), signed with the lab's key`,
				Reason: "mmiotrace", Site: "arch/x86/mm/testmmiotrace.c:init",
				Needs: []string{"CONFIG_MODULES", "CONFIG_MMIOTRACE_TEST"}, Only: only,
				Run: func(context.Context, Env) Result {
					return past(finit(MmiotraceSigned, "testmmiotrace"), unix.ENXIO)
				},
			},
			{
				Name: "other-module", Act: `finit_module(ldlab_nop, "", 0), signed with the lab's key`, Expect: Free,
				Reason: "mmiotrace", Site: "kernel/module/main.c:load_module",
				Needs: []string{"CONFIG_MODULES"}, Only: only,
				Run: func(context.Context, Env) Result { return finit(ModuleSigned, "ldlab_nop") },
			},
		},
	})
}

// finit loads a module of the guest's image, and unloads it.
func finit(path, name string) Result {
	act := fmt.Sprintf(`finit_module(%q, "", 0)`, path)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return Result{Outcome: Unavailable, Call: call(openAct(path, unix.O_RDONLY), err), Why: "the guest carries no such module"}
	}
	if err != nil {
		return failed(openAct(path, unix.O_RDONLY), err)
	}
	defer unix.Close(fd)
	err = unix.FinitModule(fd, "", 0)
	if err == nil {
		if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil {
			return failed(fmt.Sprintf("delete_module(%q)", name), err)
		}
	}
	return absent(judge(act, err), "CONFIG_MODULES", unix.ENOSYS)
}
