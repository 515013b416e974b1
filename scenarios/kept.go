package scenarios

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
)

func init() { register("kept", keptScenario) }

// Where lockdown is asked when something is opened, mapped, loaded or granted,
// what is older than the lock works on. Where each use asks, it does not.
func keptScenario() Scenario {
	s := Scenario{Name: "kept", Title: "use what was opened, mapped, loaded or granted before the lock"}
	x86 := []string{"x86_64"}
	for _, p := range []struct {
		name, act string
		reason    lockdown.Reason
		site      string
		expect    Expectation
		needs     []string
		only      []string
		source    string
		before    func() (rest func() Result, r Result)
	}{
		{name: "devmem", act: `pread("/dev/mem", 1 byte of System RAM)`, reason: "dev_mem", expect: Gap,
			site: "drivers/char/mem.c:read_mem", needs: []string{"CONFIG_DEVMEM"},
			source: "drivers/char/mem.c:open_port, v6.12, asks; read_mem does not",
			before: func() (func() Result, Result) { return keptFile("/dev/mem", unix.O_RDONLY, readPhys) }},
		{name: "devmem-map", act: `load from a mapping of System RAM of "/dev/mem"`, reason: "dev_mem", expect: Gap,
			site: "drivers/char/mem.c:mmap_mem", needs: []string{"CONFIG_DEVMEM"},
			source: "drivers/char/mem.c:open_port, v6.12, asks; a mapping is not taken back",
			before: keptMapping},
		{name: "kcore", act: `pread("/proc/kcore", ELF header)`, reason: "kcore", expect: Gap,
			site: "fs/proc/kcore.c:read_kcore_iter", needs: []string{"CONFIG_PROC_KCORE"},
			source: "fs/proc/kcore.c:open_kcore, v6.12, asks; read_kcore_iter does not",
			before: func() (func() Result, Result) { return keptFile(kcoreFile, unix.O_RDONLY, kcoreHeader) }},
		{name: "debugfs", act: `write("` + debugfsLab + `/rw0600", "ldlab\n")`, reason: "debugfs", expect: Gap,
			site: "fs/debugfs/file.c:full_proxy_write", needs: []string{"CONFIG_DEBUG_FS", "CONFIG_LDLAB_DEBUGFS"},
			source: "fs/debugfs/file.c:debugfs_locked_down, v6.12, is asked at open",
			before: func() (func() Result, Result) { return keptFile(debugfsLab+"/rw0600", unix.O_RDWR, rewriteLab) }},
		{name: "efitest", act: `ioctl("/dev/efi_test", EFI_RUNTIME_GET_SUPPORTED_MASK)`, reason: "efi_test", expect: Gap,
			site: "drivers/firmware/efi/test/efi_test.c:efi_test_ioctl", needs: []string{"CONFIG_EFI_TEST"},
			source: "drivers/firmware/efi/test/efi_test.c:efi_test_open, v6.12, asks; efi_test_ioctl does not",
			before: func() (func() Result, Result) { return keptFile(efiTest, unix.O_RDONLY, efiMask) }},
		{name: "bpf", act: "bpf(BPF_PROG_TEST_RUN, raw_tracepoint calling bpf_probe_read_kernel)", reason: "bpf_read_kernel", expect: Gap,
			site: "kernel/bpf/syscall.c:bpf_prog_test_run", needs: []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_KALLSYMS"},
			source: "kernel/trace/bpf_trace.c:bpf_tracing_func_proto, v6.12, is asked when a program is loaded",
			before: keptProg},
		{name: "ioperm", act: "inb(0x80) after ioperm(0x80, 1, 1)", reason: "ioport", expect: Gap, only: x86,
			site: "arch/x86/kernel/ioport.c:ksys_ioperm", needs: []string{"CONFIG_X86_IOPL_IOPERM"},
			source: "arch/x86/kernel/ioport.c:ksys_ioperm, v6.12, asks; what it granted is not taken back",
			before: func() (func() Result, Result) {
				return keptPort("ioperm(0x80, 1, 1)", func() error { return ioperm(postPort, 1, true) })
			}},
		{name: "iopl", act: "inb(0x80) after iopl(3)", reason: "ioport", expect: Gap, only: x86,
			site: "arch/x86/kernel/ioport.c:__do_sys_iopl", needs: []string{"CONFIG_X86_IOPL_IOPERM"},
			source: "arch/x86/kernel/ioport.c:sys_iopl, v6.12, asks; what it granted is not taken back",
			before: func() (func() Result, Result) { return keptPort("iopl(3)", func() error { return iopl(3) }) }},
		{name: "msr", act: `pwrite("/dev/cpu/0/msr", IA32_PAT as it is)`, reason: "msr", expect: Checked, only: x86,
			site: "arch/x86/kernel/msr.c:msr_write", needs: []string{"CONFIG_X86_MSR"},
			before: func() (func() Result, Result) { return keptFile(msrFile, unix.O_RDWR, msrRewrite) }},
		{name: "msr-read", act: `pread("/dev/cpu/0/msr", IA32_PAT)`, reason: "msr", expect: Unchecked, only: x86,
			site: "arch/x86/kernel/msr.c:msr_read", needs: []string{"CONFIG_X86_MSR"},
			before: func() (func() Result, Result) {
				return keptFile(msrFile, unix.O_RDONLY, func(fd int) Result { _, r := msrRead(fd); return r })
			}},
		{name: "zero", act: `read("/dev/zero")`, reason: "dev_mem", expect: Unchecked,
			site: "drivers/char/mem.c:read_iter_zero",
			before: func() (func() Result, Result) {
				return keptFile("/dev/zero", unix.O_RDONLY, func(fd int) Result {
					_, err := unix.Read(fd, make([]byte, 1))
					return judge(`read("/dev/zero", 1)`, err)
				})
			}},
	} {
		s.Probes = append(s.Probes, Probe{
			Name: p.name, Call: p.act + ", from before the lock", Reason: p.reason, Expect: p.expect,
			Site: p.site, Needs: p.needs, Only: p.only, Source: p.source,
			Setup: func(context.Context, Env) (func(context.Context) Result, Result) {
				rest, r := p.before()
				why := "the guest has no such file"
				if len(p.needs) > 0 {
					why = p.needs[len(p.needs)-1]
				}
				if r = absent(r, why, unix.ENOENT, unix.ENXIO, unix.ENOSYS); rest == nil {
					return nil, r
				}
				return func(context.Context) Result { return rest() }, r
			},
		})
	}
	return s
}

// keptFile opens a file before, and leaves the act on it for after.
func keptFile(path string, flags int, act func(fd int) Result) (func() Result, Result) {
	fd, r := open(path, flags)
	if r.Outcome != Allowed {
		return nil, r
	}
	return func() Result {
		defer unix.Close(fd)
		return act(fd)
	}, r
}

// keptMapping maps a page of memory before.
func keptMapping() (func() Result, Result) {
	var page []byte
	r := with("/dev/mem", unix.O_RDONLY, func(fd int) Result {
		addr, err := systemRAM()
		if err == nil {
			page, err = unix.Mmap(fd, addr, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
		}
		return judge(`mmap("/dev/mem", PROT_READ)`, err)
	})
	if r.Outcome != Allowed {
		return nil, r
	}
	return func() Result {
		defer unix.Munmap(page)
		return judge(fmt.Sprintf(`load from mmap("/dev/mem") = %#x`, page[0]), nil)
	}, r
}

// rewriteLab writes to a file of the lab series what all of them start with.
func rewriteLab(fd int) Result {
	_, err := unix.Write(fd, []byte("ldlab\n"))
	return judge(`write("`+debugfsLab+`/rw0600", "ldlab\n")`, err)
}
