package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/modparam"
	"github.com/ldlab/ldlab/scenarios/internal/msr"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/pci"
	"github.com/ldlab/ldlab/scenarios/internal/ports"
	"github.com/ldlab/ldlab/scenarios/internal/serial"
	"github.com/ldlab/ldlab/scenarios/internal/tracefs"
)

// A heldAct is done before the lock and after it.
type heldAct struct {
	name, act string
	reason    lockdown.Reason
	where     Where
	shadows   []Shadow
	lines     int
	machine   MachineKind
	do        func(context.Context, Env) Report
}

// heldProbes are acts that the kernel checks each time, done before the lock and
// again after it with the same open files: that the first one was allowed must not
// count.
func heldProbes() (list []Probe) {
	for _, a := range append(heldOnPCI(), heldElsewhere()...) {
		list = append(list, Probe{
			Claim:    Claim{Name: a.name, Call: a.act + ", before the lock and after it with the same open file", Reason: a.reason, ShadowedBy: a.shadows},
			Where:    a.where,
			Schedule: Schedule{Lines: a.lines, Machine: a.machine},
			Act:      Act{Setup: held(a.do)},
		})
	}
	return list
}

func heldOnPCI() []heldAct {
	const sysfs, proc = "drivers/pci/pci-sysfs.c:", "drivers/pci/proc.c:"
	configs, procs := []string{"CONFIG_PCI"}, []string{"CONFIG_PCI", "CONFIG_PROC_FS"}
	return []heldAct{
		{name: "pci-config-written", act: `pwrite(".../config", another byte, 0x3c)`, reason: "pci_access",
			where: Where{Site: sysfs + "pci_write_config", Needs: configs},
			do:    pci.OnTestdev(func(d pci.Device) Report { return pci.WriteConfig(d.File("config"), d.Proc) })},
		{name: "pci-mapped", act: `mmap(".../resourceN", PROT_READ|PROT_WRITE)`, reason: "pci_access",
			where: Where{Site: sysfs + "pci_mmap_resource", Needs: configs}, do: pci.OnBARs(pci.Map)},
		{name: "pci-io-written", act: `pwrite(".../resourceN", the index of another register)`, reason: "pci_access",
			where: Where{Site: sysfs + "pci_write_resource_io", Moved: []Moved{{Since: "7.2", Site: sysfs + "pci_write_resource"}}, Needs: configs},
			do:    pci.OnBARs(pci.WriteIO)},
		{name: "pci-proc-written", act: `pwrite("/proc/bus/pci/...", another byte, 0x3c)`, reason: "pci_access",
			where: Where{Site: proc + "proc_bus_pci_write", Needs: procs},
			do:    pci.OnTestdev(func(d pci.Device) Report { return pci.WriteConfig(d.Proc, d.File("config")) })},
		{name: "pci-proc-ioctl", act: `ioctl("/proc/bus/pci/...", PCIIOC_CONTROLLER, 0)`, reason: "pci_access",
			where: Where{Site: proc + "proc_bus_pci_ioctl", Needs: procs},
			do:    pci.OnTestdev(func(d pci.Device) Report { return pci.Ioctl(d, "PCIIOC_CONTROLLER", pci.IoctlController) })},
	}
}

func heldElsewhere() []heldAct {
	const x86MSR = "arch/x86/kernel/msr.c:"
	msrs, x86 := []string{"CONFIG_X86_MSR"}, []string{"x86_64"}
	return []heldAct{
		{name: "msr-written", act: `pwrite("/dev/cpu/0/msr", IA32_TSC_AUX)`, reason: "msr",
			where: Where{Site: x86MSR + "msr_write", Needs: msrs, Only: x86},
			do:    func(context.Context, Env) Report { return msr.WithFile(unix.O_RDWR, msr.Pwrite.Change) }},
		{name: "msr-ioctl", act: `ioctl("/dev/cpu/0/msr", X86_IOC_WRMSR_REGS, IA32_TSC_AUX)`, reason: "msr",
			where: Where{Site: x86MSR + "msr_ioctl", Needs: msrs, Only: x86},
			do:    func(context.Context, Env) Report { return msr.WithFile(unix.O_RDWR, msr.Ioctl.Change) }},
		{name: "serial-set", act: fmt.Sprintf("ioctl(%q, TIOCSSERIAL, another irq)", serial.Port), reason: "tiocsserial",
			where:   Where{Site: "drivers/tty/serial/serial_core.c:uart_set_info", Needs: []string{"CONFIG_SERIAL_8250"}},
			machine: Held, // a port that another process has open cannot be changed
			do: func(context.Context, Env) Report {
				return serial.Open(func(fd int) Report { return serial.Set(fd, "another irq", serial.Change("irq")) })
			}},
		{name: "serial-real-set", act: `ioctl(a serial port on PCI, TIOCSSERIAL, irq 0)`, reason: "tiocsserial",
			where:   Where{Site: "drivers/tty/serial/serial_core.c:uart_set_info", Needs: []string{"CONFIG_SERIAL_8250", "CONFIG_SERIAL_8250_PCI"}},
			machine: Held,
			do:      func(context.Context, Env) Report { return serial.SetReal() }},
		{name: "ioperm-more", act: "ioperm(0x81, 1, 1) by a thread that keeps port 0x80 from before", reason: "ioport",
			where: Where{Site: "arch/x86/kernel/ioport.c:ksys_ioperm", Needs: []string{"CONFIG_X86_IOPL_IOPERM"}, Only: x86},
			do: func(context.Context, Env) Report {
				return observe.UnavailableIf(ports.GrantMore(), "CONFIG_X86_IOPL_IOPERM", unix.ENOSYS)
			}},
		{name: "modparam-set", act: observe.WriteCall(modparam.ShareIRQs, "another value"), reason: "module_parameters",
			where: Where{Site: "kernel/params.c:param_check_unsafe", Needs: []string{"CONFIG_SERIAL_8250"}},
			do: func(context.Context, Env) Report {
				return modparam.No8250(modparam.SetOther(modparam.ShareIRQs, modparam.AsIs))
			}},
		{name: "kprobe-defined", act: observe.WriteCall(tracefs.Dir+"/kprobe_events", "p:ldlab/held "+tracefs.Probed), reason: "kprobes", lines: 2,
			where:   Where{Site: "kernel/trace/trace_kprobe.c:__register_trace_kprobe", Needs: []string{"CONFIG_KPROBE_EVENTS"}},
			shadows: []Shadow{{Reason: "tracefs", Why: "the file cannot be opened before the lock", AbsentIfLockedAtBoot: true, AtBoot: true}},
			do: func(context.Context, Env) Report {
				return tracefs.DefineEvent(tracefs.Event{File: "kprobe_events", Define: "p:ldlab/held " + tracefs.Probed, Name: "ldlab/held", Config: "CONFIG_KPROBE_EVENTS"})
			}},
	}
}

// held does an act, and returns what does it again with the same open files.
func held(do func(context.Context, Env) Report) func(context.Context, Env) (func(context.Context) Report, Report) {
	return func(ctx context.Context, env Env) (rest func(context.Context) Report, r Report) {
		var f observe.Files
		f.Do(func() { r = do(ctx, env) })
		if r.Outcome != Allowed {
			f.Close()
			return nil, r
		}
		return func(ctx context.Context) (r Report) {
			defer f.Close()
			f.Do(func() { r = do(ctx, env) })
			return r
		}, r
	}
}
