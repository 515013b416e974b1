package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/bpf"
	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/efi"
	"github.com/ldlab/ldlab/scenarios/internal/kexec"
	"github.com/ldlab/ldlab/scenarios/internal/msr"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/physmem"
	"github.com/ldlab/ldlab/scenarios/internal/ports"
	"github.com/ldlab/ldlab/scenarios/internal/power"
)

func init() { register("kept", keptScenario) }

// If lockdown is checked when an object is opened, mapped, loaded or granted, an
// object that is older than the lock stays usable. If each use is checked, it
// does not.
func keptScenario() Scenario {
	s := Scenario{Name: "kept", Title: "use what was opened, mapped, loaded or granted before the lock"}
	x86 := []string{"x86_64"}
	for _, p := range []struct {
		name, act string
		reason    lockdown.Reason
		site      string
		moved     []Moved
		expect    Expectation
		needs     []string
		only      []string
		source    string
		machine   MachineKind
		before    func() (rest func() Report, r Report)
	}{
		{name: "devmem", act: `pread("/dev/mem", the process's own page)`, reason: "dev_mem", expect: Gap,
			site: "drivers/char/mem.c:read_mem", needs: []string{"CONFIG_DEVMEM", "CONFIG_STRICT_DEVMEM=n"},
			source: "drivers/char/mem.c:open_port, v6.12, checks; read_mem does not",
			before: physmem.ReadLater},
		{name: "devmem-map", act: `load from a mapping of the process's own page of "/dev/mem"`, reason: "dev_mem", expect: Gap,
			site: "drivers/char/mem.c:mmap_mem", needs: []string{"CONFIG_DEVMEM", "CONFIG_STRICT_DEVMEM=n"},
			moved:  []Moved{{Since: "7.2", Site: "drivers/char/mem.c:mmap_mem_prepare"}}, // 6.18.12 has the old name, 7.2.8 the new one
			source: "drivers/char/mem.c:open_port, v6.12, checks; a mapping is not taken back",
			before: physmem.MapLater},
		{name: "kcore", act: `pread("/proc/kcore", the process's own page)`, reason: "kcore", expect: Gap,
			site: "fs/proc/kcore.c:read_kcore_iter", needs: []string{"CONFIG_PROC_KCORE"},
			source: "fs/proc/kcore.c:open_kcore, v6.12, checks; read_kcore_iter does not",
			before: physmem.ReadKcoreLater},
		{name: "debugfs", act: `write("` + debugfs.LabDir + `/rw0600", "ldlab\n")`, reason: "debugfs", expect: Gap,
			site: "fs/debugfs/file.c:full_proxy_write", needs: []string{"CONFIG_DEBUG_FS", "CONFIG_LDLAB_DEBUGFS"},
			source: "fs/debugfs/file.c:debugfs_locked_down, v6.12, is called at open",
			before: func() (func() Report, Report) {
				return observe.OpenForLater(debugfs.LabDir+"/rw0600", unix.O_RDWR, debugfs.WriteBackLab)
			}},
		{name: "efitest", act: `ioctl("/dev/efi_test", EFI_RUNTIME_GET_SUPPORTED_MASK)`, reason: "efi_test", expect: Gap,
			site: "drivers/firmware/efi/test/efi_test.c:efi_test_ioctl", needs: []string{"CONFIG_EFI_TEST"},
			source: "drivers/firmware/efi/test/efi_test.c:efi_test_open, v6.12, checks; efi_test_ioctl does not",
			before: func() (func() Report, Report) {
				return observe.OpenForLater(efi.TestDevice, unix.O_RDONLY, efi.GetMask)
			}},
		{name: "bpf", act: "bpf(BPF_PROG_TEST_RUN, raw_tracepoint calling bpf_probe_read_kernel)", reason: "bpf_read_kernel", expect: Gap,
			site: "kernel/bpf/syscall.c:bpf_prog_test_run", needs: []string{"CONFIG_BPF_SYSCALL", "CONFIG_BPF_EVENTS", "CONFIG_KALLSYMS"},
			source: "kernel/trace/bpf_trace.c:bpf_tracing_func_proto, v6.12, is called when a program is loaded",
			before: bpf.LoadForLater},
		{name: "ioperm", act: "inb(0x80) after ioperm(0x80, 1, 1)", reason: "ioport", expect: Gap, only: x86,
			site: "arch/x86/kernel/ioport.c:ksys_ioperm", needs: []string{"CONFIG_X86_IOPL_IOPERM"},
			source: "arch/x86/kernel/ioport.c:ksys_ioperm, v6.12, checks; what it granted is not taken back",
			before: func() (func() Report, Report) {
				return ports.GrantForLater("ioperm(0x80, 1, 1)", func() error { return ports.Ioperm(ports.POSTPort, 1, 1) })
			}},
		{name: "iopl", act: "inb(0x80) after iopl(3)", reason: "ioport", expect: Gap, only: x86,
			site: "arch/x86/kernel/ioport.c:__do_sys_iopl", needs: []string{"CONFIG_X86_IOPL_IOPERM"},
			source: "arch/x86/kernel/ioport.c:sys_iopl, v6.12, checks; what it granted is not taken back",
			before: func() (func() Report, Report) {
				return ports.GrantForLater("iopl(3)", func() error { return ports.Iopl(3) })
			}},
		{name: "kexec", act: `read("/sys/kernel/kexec_crash_loaded") of an image of kexec_load(KEXEC_ON_CRASH)`, reason: "kexec", expect: Gap,
			site: "kernel/crash_core.c:__crash_kexec", needs: []string{"CONFIG_KEXEC", "CONFIG_KEXEC_FILE", "CONFIG_CRASH_DUMP"}, machine: Held,
			moved:  []Moved{{Until: "6.9", Site: "kernel/kexec_core.c:__crash_kexec"}}, // 6.1.187 has it there, 6.12.107 in crash_core.c
			source: "kernel/kexec.c:kexec_load_check, v6.12, checks when an image is loaded; kernel/crash_core.c:__crash_kexec and kernel/kexec_core.c:kernel_kexec start it without a check",
			before: kexec.KeepForLater},
		{name: "snapshot", act: `ioctl("/dev/snapshot", SNAPSHOT_PREF_IMAGE_SIZE)`, reason: "hibernation", expect: Gap,
			site: "kernel/power/user.c:snapshot_ioctl", needs: []string{"CONFIG_HIBERNATION_SNAPSHOT_DEV"}, machine: Held,
			source: "kernel/power/user.c:snapshot_open, v6.12, checks; snapshot_ioctl and snapshot_read, which make the memory image and hand it out, do not",
			before: power.KeepSnapshot},
		{name: "msr", act: `pwrite("/dev/cpu/0/msr", IA32_TSC_AUX)`, reason: "msr", expect: Checked, only: x86,
			site: "arch/x86/kernel/msr.c:msr_write", needs: []string{"CONFIG_X86_MSR"},
			before: func() (func() Report, Report) {
				return observe.OpenForLater(msr.File, unix.O_RDWR, msr.Pwrite.Change)
			}},
		{name: "msr-read", act: `pread("/dev/cpu/0/msr", IA32_PAT)`, reason: "msr", expect: Unchecked, only: x86,
			site: "arch/x86/kernel/msr.c:msr_read", needs: []string{"CONFIG_X86_MSR"},
			before: func() (func() Report, Report) {
				return observe.OpenForLater(msr.File, unix.O_RDONLY, msr.Read)
			}},
		{name: "zero", act: `read("/dev/zero")`, reason: "dev_mem", expect: Unchecked,
			site: "drivers/char/mem.c:read_iter_zero",
			before: func() (func() Report, Report) {
				return observe.OpenForLater("/dev/zero", unix.O_RDONLY, func(fd int) Report {
					_, err := unix.Read(fd, make([]byte, 1))
					return observe.FromError(`read("/dev/zero", 1)`, err)
				})
			}},
	} {
		var class GapClass
		if p.expect == Gap {
			class = ByDesign // what open(2) or mmap(2) granted is not taken back
		}
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: p.act + ", from before the lock", Reason: p.reason, Expect: p.expect, Source: p.source, Class: class},
			Where:    Where{Site: p.site, Moved: p.moved, Needs: p.needs, Only: p.only},
			Schedule: Schedule{Machine: p.machine},
			Act: Act{Setup: func(context.Context, Env) (func(context.Context) Report, Report) {
				rest, r := p.before()
				why := "the guest has no such file"
				if len(p.needs) > 0 {
					why = p.needs[len(p.needs)-1]
				}
				if r = observe.UnavailableIf(r, why, unix.ENOENT, unix.ENXIO, unix.ENOSYS); rest == nil {
					if r.Outcome == Denied && r.Effect == "" {
						r = r.Saw(false, "there is nothing to use")
					}
					return nil, r
				}
				return func(context.Context) Report { return rest() }, r
			}},
		})
	}
	s.Probes = append(s.Probes, heldProbes()...)
	return s
}
