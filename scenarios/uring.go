package scenarios

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/debugfs"
	"github.com/ldlab/ldlab/scenarios/internal/modparam"
	"github.com/ldlab/ldlab/scenarios/internal/msr"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/pci"
	"github.com/ldlab/ldlab/scenarios/internal/physmem"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
	"github.com/ldlab/ldlab/scenarios/internal/uring"
)

func init() { register("uring", uringScenario) }

// With io_uring it is the kernel that opens, reads and writes, often in a thread of
// its own. A write to a regular file, such as one of sysfs, is always made there
// (io_uring/rw.c:io_write, v6.12). Such a thread is none of the kernel's own tasks
// as far as lockdown is concerned: it must be refused what its owner is.
func uringScenario() Scenario {
	s := Scenario{Name: "uring", Title: "the same acts through io_uring, which threads of the kernel do"}
	add := func(name, call string, claim Claim, where Where, needs []string, act func(observe.Calls, Env) Report) {
		claim.Name, claim.Call = name, uring.Plain.Name+": "+call
		where.Needs = append([]string{"CONFIG_IO_URING"}, needs...)
		p := Probe{Claim: claim, Where: where, Act: Act{Apart: true, Do: func(_ context.Context, e Env) Report {
			return uring.Plain.Act(func(c observe.Calls) Report { return act(c, e) })
		}}}
		if claim.Expect == Checked {
			p.More = func(_ context.Context, e Env) []Variant {
				return uring.Vary(func(c observe.Calls) Report { return act(c, e) })
			}
		}
		s.Probes = append(s.Probes, p)
	}
	own := []string{"CONFIG_DEVMEM", "CONFIG_PROC_PAGE_MONITOR", "CONFIG_STRICT_DEVMEM=n"}
	lab := []string{"CONFIG_DEBUG_FS", "CONFIG_LDLAB_DEBUGFS"}
	share := func(file string) string { return debugfs.LabDir + "/" + file }

	add("devmem-read", `pread("/dev/mem", the process's own page)`, Claim{Reason: "dev_mem"},
		Where{Site: "drivers/char/mem.c:open_port"}, own, physmem.ReadOwnBy)
	add("devmem-write", `pwrite("/dev/mem", the process's own page)`, Claim{Reason: "dev_mem"},
		Where{Site: "drivers/char/mem.c:open_port"}, own, physmem.WriteOwnBy)
	add("kcore-read", `pread("/proc/kcore", the process's own page)`, Claim{Reason: "kcore"},
		Where{Site: "fs/proc/kcore.c:open_kcore"}, []string{"CONFIG_PROC_KCORE", "CONFIG_PROC_PAGE_MONITOR"},
		func(c observe.Calls, _ Env) Report { return physmem.ReadKcoreBy(c) })
	add("debugfs-read", observe.OpenCall(share("rw0600"), unix.O_RDONLY), Claim{Reason: "debugfs"},
		Where{Site: "fs/debugfs/file.c:debugfs_locked_down"}, lab,
		func(c observe.Calls, _ Env) Report {
			return debugfs.LabFile(debugfs.OpenBy(c, share("rw0600"), unix.O_RDONLY, debugfs.ReadsMark))
		})
	add("debugfs-write", observe.OpenCall(share("w0200"), unix.O_WRONLY), Claim{Reason: "debugfs"},
		Where{Site: "fs/debugfs/file.c:debugfs_locked_down"}, lab,
		func(c observe.Calls, _ Env) Report {
			return debugfs.LabFile(debugfs.OpenBy(c, share("w0200"), unix.O_WRONLY, debugfs.WritesMark))
		})
	add("debugfs-0444", observe.OpenCall(share("r0444"), unix.O_RDONLY), Claim{Reason: "debugfs", Expect: Unchecked},
		Where{Site: "fs/debugfs/file.c:debugfs_locked_down"}, lab,
		func(c observe.Calls, _ Env) Report {
			return debugfs.LabFile(debugfs.OpenBy(c, share("r0444"), unix.O_RDONLY, debugfs.ReadsText))
		})
	add("tracefs", observe.OpenCall(tracefs.Dir+"/trace_marker", unix.O_WRONLY), Claim{Reason: "tracefs"},
		Where{Site: "kernel/trace/trace.c:tracing_check_open_get_tr", AbsentIfLockedAtBoot: true}, []string{"CONFIG_TRACING"},
		func(c observe.Calls, _ Env) Report {
			return tracefs.OpenBy(c, "trace_marker", unix.O_WRONLY, "CONFIG_TRACING", tracefs.Marks)
		})
	event := tracefs.Event{File: "kprobe_events", Define: "p:ldlab/uring " + tracefs.Probed, Name: "ldlab/uring", Config: "CONFIG_KPROBE_EVENTS"}
	add("kprobe", observe.WriteCall(tracefs.Dir+"/kprobe_events", event.Define),
		Claim{Reason: "kprobes", ShadowedBy: []Shadow{{Reason: "tracefs", Why: "the file does not open", AbsentIfLockedAtBoot: true}}},
		Where{Site: "kernel/trace/trace_kprobe.c:__register_trace_kprobe"}, []string{"CONFIG_KPROBE_EVENTS"},
		func(c observe.Calls, _ Env) Report { return tracefs.DefineEventBy(c, event) })
	add("modparam", observe.WriteCall(modparam.ShareIRQs, "another value"), Claim{Reason: "module_parameters"},
		Where{Site: "kernel/params.c:param_check_unsafe"}, []string{"CONFIG_SERIAL_8250"},
		func(c observe.Calls, _ Env) Report {
			return modparam.No8250(modparam.SetOtherBy(c, modparam.ShareIRQs, modparam.AsIs))
		})
	add("pci-config", `pwrite(".../config", another byte, 0x3c)`, Claim{Reason: "pci_access"},
		Where{Site: "drivers/pci/pci-sysfs.c:pci_write_config"}, []string{"CONFIG_PCI"},
		func(c observe.Calls, e Env) Report {
			return pci.OnTestdev(func(d pci.Device) Report { return pci.WriteConfigBy(c, d.File("config"), d.Proc) })(context.Background(), e)
		})
	add("msr", `pwrite("/dev/cpu/0/msr", IA32_TSC_AUX)`, Claim{Reason: "msr"},
		Where{Site: "arch/x86/kernel/msr.c:msr_write", Only: []string{"x86_64"}}, []string{"CONFIG_X86_MSR"},
		func(c observe.Calls, _ Env) Report { return msr.ChangeBy(c) })
	return s
}
