package scenarios

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/pci"
	"github.com/ldlab/ldlab/scenarios/internal/vfio"
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
				Claim: Claim{Name: "config-write", Call: `pwrite(".../config", another byte, 0x3c)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_write_config", Needs: needs},
				Act: Act{
					Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteConfig(d.File("config"), d.Proc) }),
					More: pci.MoreOnTestdev(func(d pci.Device) []Variant {
						return pci.VaryConfig(d, func(d pci.Device) (path, other string) { return d.File("config"), d.Proc })
					}),
				},
			},
			{
				Claim: Claim{Name: "resource-mmap", Call: `mmap(".../resourceN", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
				Act:   Act{Do: pci.OnBARs(pci.Map), More: pci.MoreOnBARs(pci.VaryMap)},
			},
			{
				// Only prefetchable BARs have this file. It is mapped and never
				// touched.
				Claim: Claim{Name: "resource-wc-mmap", Call: `mmap(".../resourceN_wc", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
				Act: Act{
					Do:   func(context.Context, Env) Report { return pci.MapWriteCombining() },
					More: func(context.Context, Env) []Variant { return pci.VaryWriteCombining() },
				},
			},
			{
				Claim: Claim{Name: "resource-io-write", Call: `pwrite(".../resourceN", the index of another register)`, Reason: "pci_access"},
				Where: Where{Site: sysfs + "pci_write_resource_io", Moved: []Moved{{Since: "7.2", Site: sysfs + "pci_write_resource"}}, Needs: needs},
				Act:   Act{Do: pci.OnBARs(pci.WriteIO), More: pci.MoreOnBARs(pci.VaryIO)},
			},
			{
				Claim: Claim{Name: "proc-write", Call: `pwrite("/proc/bus/pci/...", another byte, 0x3c)`, Reason: "pci_access"},
				Where: Where{Site: proc + "proc_bus_pci_write", Needs: append(needs, "CONFIG_PROC_FS")},
				Act: Act{
					Do: pci.OnTestdev(func(d pci.Device) Report { return pci.WriteConfig(d.Proc, d.File("config")) }),
					More: pci.MoreOnTestdev(func(d pci.Device) []Variant {
						return pci.VaryConfig(d, func(d pci.Device) (path, other string) { return d.Proc, d.File("config") })
					}),
				},
			},
			{
				// The setup selects memory on the descriptor, because that
				// command is checked, too. HAVE_PCI_MMAP: x86 only.
				Claim:    Claim{Name: "proc-mmap", Call: `mmap("/proc/bus/pci/...", PROT_READ|PROT_WRITE)`, Reason: "pci_access"},
				Where:    Where{Site: proc + "proc_bus_pci_mmap", Needs: append(needs, "CONFIG_PROC_FS"), Only: x86},
				Schedule: Schedule{Lines: pci.ProcMapLines},
				Act:      Act{Setup: pci.SetupOnBARs(pci.SetupProcMap)},
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
			Act: Act{
				Do:   pci.OnTestdev(func(d pci.Device) Report { return pci.Ioctl(d, c.macro, c.cmd) }),
				More: pci.MoreOnTestdev(func(d pci.Device) []Variant { return pci.VaryIoctl(d, c.macro, c.cmd) }),
			},
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			Claim: Claim{
				Name:   "mmap-before",
				Call:   `mmap(".../resourceN") before the lock, a register read after it`,
				Expect: Gap,
				Class:  ByDesign,
				Reason: "pci_access",
				Source: "drivers/pci/pci-sysfs.c:pci_mmap_resource checks when a mapping is made, and nothing ever takes one back, v6.12",
			},
			Where: Where{Site: sysfs + "pci_mmap_resource", Needs: needs},
			Act:   Act{Setup: pci.SetupOnBARs(pci.MapForLater)},
		},
		Probe{
			Claim: Claim{
				Name:   "vfio-noiommu",
				Call:   `ioctl("/dev/vfio/noiommu-N", VFIO_GROUP_GET_DEVICE_FD), DMA of the device to a page of the process, by physical address`,
				Expect: Gap,
				Class:  Disputed,
				Reason: "pci_access",
				Source: "drivers/vfio/group.c:vfio_group_fops_open and drivers/vfio/container.c:vfio_noiommu_open, v6.12, want CAP_SYS_RAWIO only, and the parameter that allows it is written through sysfs; a patch that checks lockdown was posted and not merged: 20210506091859.6961-1-maxime.coquelin@redhat.com",
			},
			Where: Where{
				Site: "drivers/vfio/group.c:vfio_group_fops_open", Moved: []Moved{{Until: "6.2", Site: "drivers/vfio/vfio_main.c:vfio_group_fops_open"}},
				Needs: []string{"CONFIG_VFIO", "CONFIG_VFIO_PCI", "CONFIG_VFIO_NOIOMMU", "CONFIG_PROC_PAGE_MONITOR"},
			},
			Schedule: Schedule{Machine: Held}, // it has an edu
			Act:      Act{Do: func(ctx context.Context, _ Env) Report { return vfio.Write(ctx) }},
		},
		Probe{
			Claim: Claim{Name: "config-read", Call: `pread(".../config", 1 byte, 0x3c)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_read_config", Needs: needs},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.ReadByte(d.File("config"), pci.InterruptLine) })},
		},
		Probe{
			Claim: Claim{Name: "resource-open", Call: `open(".../resourceN", O_RDWR)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_create_attr", Needs: needs},
			Act:   Act{Do: pci.OnBARs(func(d pci.Device) Report { return observe.WithFile(d.Mem(), unix.O_RDWR, nil) })},
		},
		Probe{
			Claim: Claim{Name: "resource-io-read", Call: `pread(".../resourceN", 1 byte, 0)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: sysfs + "pci_read_resource_io", Needs: needs},
			Act:   Act{Do: pci.OnBARs(func(d pci.Device) Report { return pci.ReadByte(d.IO(), 0) })},
		},
		Probe{
			Claim: Claim{Name: "proc-read", Call: `pread("/proc/bus/pci/...", 1 byte, 0x3c)`, Expect: Unchecked, Reason: "pci_access"},
			Where: Where{Site: proc + "proc_bus_pci_read", Needs: append(needs, "CONFIG_PROC_FS")},
			Act:   Act{Do: pci.OnTestdev(func(d pci.Device) Report { return pci.ReadByte(d.Proc, pci.InterruptLine) })},
		},
	)
	return s
}
