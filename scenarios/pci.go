package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/pci"
)

func init() { register("pci", pciScenario) }

// Each write, each new mapping and each command of /proc/bus/pci is checked;
// opening and reading are not. pciconfig_write(2) is checked, too
// (drivers/pci/syscall.c, v6.12), but x86 has no such call, and arm64 only for
// 32-bit tasks: compat/pciconfig-write.
func pciScenario() Scenario {
	const sysfs, proc = "drivers/pci/pci-sysfs.c:", "drivers/pci/proc.c:"
	needs, x86 := []string{"CONFIG_PCI"}, []string{"x86_64"}
	s := Scenario{
		Name:  "pci",
		Title: "reprogram devices, and through their DMA all of memory, by way of PCI",
		Probes: []Probe{
			{
				Claim: Claim{Name: "config-write", Call: `pwrite(".../config", the same byte, 0x3c)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_write_config", Needs: needs},
				Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteBack(d.File("config"), pci.InterruptLine) })},
			},
			{
				Claim: Claim{Name: "resource-mmap", Call: `mmap(".../resource0", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
				Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.Map(d.File("resource0"), 0) })},
			},
			{
				// Only prefetchable BARs have this file: virtio-pci's, which is
				// mapped and never touched.
				Claim: Claim{Name: "resource-wc-mmap", Call: `mmap(".../resourceN_wc", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
				Act:   Act{Do: func(context.Context, Env) Report { return pci.MapWriteCombining() }},
			},
			{
				Claim: Claim{Name: "resource-io-write", Call: `pwrite(".../resource1", the same byte, 0)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_write_resource_io", Needs: needs},
				Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteBack(d.File("resource1"), 0) })},
			},
			{
				Claim: Claim{Name: "proc-write", Call: `pwrite("/proc/bus/pci/...", the same byte, 0x3c)`, Reason: "pci_access"},
				Where: Where{Site: proc + "proc_bus_pci_write", Needs: append(needs, "CONFIG_PROC_FS")},
				Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteBack(d.Proc, pci.InterruptLine) })},
			},
			{
				// The setup selects memory on the descriptor, because that
				// command is checked, too. HAVE_PCI_MMAP: x86 only.
				Claim:    Claim{Name: "proc-mmap", Call: `mmap("/proc/bus/pci/...", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where:    Where{Site: proc + "proc_bus_pci_mmap", Needs: append(needs, "CONFIG_PROC_FS"), Only: x86},
				Schedule: Schedule{Lines: 2},
				Act:      Act{Setup: pci.SetupOnTestdev(pci.SetupProcMap)},
			},
		},
	}
	for _, c := range []struct {
		name, macro string
		cmd         uint
	}{
		{"controller", "PCIIOC_CONTROLLER", pci.IoctlController},
		{"is-io", "PCIIOC_MMAP_IS_IO", pci.IoctlMmapIsIO},
		{"is-mem", "PCIIOC_MMAP_IS_MEM", pci.IoctlMmapIsMem},
		{"write-combine", "PCIIOC_WRITE_COMBINE", pci.IoctlWriteCombine},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim: Claim{Name: "proc-ioctl-" + c.name, Call: fmt.Sprintf(`ioctl("/proc/bus/pci/...", %s, 0)`, c.macro), Reason: "pci_access"},
			Where: Where{Site: proc + "proc_bus_pci_ioctl", Needs: append(needs, "CONFIG_PROC_FS")},
			Act: Act{Do: pci.OnTestdev(func(d pci.Device) Report {
				return observe.WithFile(d.Proc, unix.O_RDONLY, func(fd int) Report {
					// The state belongs to the descriptor and ends with it.
					// If the architecture lacks the command, EINVAL comes
					// after the check.
					err := unix.IoctlSetInt(fd, c.cmd, 0)
					return observe.AllowedIf(observe.FromError(fmt.Sprintf("ioctl(%q, %s, 0)", d.Proc, c.macro), err), unix.EINVAL)
				})
			})},
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			Claim: Claim{
				Name:   "mmap-before",
				Call:   `mmap(".../resource0") before the lock, a byte read after it`,
				Expect: Gap,
				Class:  ByDesign,
				Reason: "pci_access",
				Source: "drivers/pci/pci-sysfs.c:pci_mmap_resource checks when a mapping is made, and nothing ever takes one back, v6.12",
			},
			Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
			Act:   Act{Setup: pci.SetupOnTestdev(pci.MapForLater)},
		},
		Probe{
			Claim: Claim{Name: "config-read", Call: `pread(".../config", 1 byte, 0x3c)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_read_config", Needs: needs},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.ReadByte(d.File("config"), pci.InterruptLine) })},
		},
		Probe{
			Claim: Claim{Name: "resource-open", Call: `open(".../resource0", O_RDWR)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_create_attr", Needs: needs},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return observe.WithFile(d.File("resource0"), unix.O_RDWR, nil) })},
		},
		Probe{
			Claim: Claim{Name: "resource-io-read", Call: `pread(".../resource1", 1 byte, 0)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_read_resource_io", Needs: needs},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.ReadByte(d.File("resource1"), 0) })},
		},
		Probe{
			Claim: Claim{Name: "proc-read", Call: `pread("/proc/bus/pci/...", 1 byte, 0x3c)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: proc + "proc_bus_pci_read", Needs: append(needs, "CONFIG_PROC_FS")},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.ReadByte(d.Proc, pci.InterruptLine) })},
		},
	)
	return s
}
