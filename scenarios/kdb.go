package scenarios

import (
	"context"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios/internal/kdb"
)

func init() { register("kgdb", kgdbScenario) }

// Entering kdb checks both reasons, and takes the rights to write and to read from
// its commands. The kernel continues after each probe, so probes share a machine.
// The probes of gdb have a machine of their own, because they leave kdb before the
// lock. kernel/debug/kdb/kdb_main.c:maintab, v6.12, has the right that each command
// needs.
func kgdbScenario() Scenario {
	const site = "kernel/debug/kdb/kdb_main.c:kdb_check_for_lockdown"
	needs := []string{"CONFIG_KGDB", "CONFIG_KGDB_KDB", "CONFIG_KGDB_SERIAL_CONSOLE", "CONFIG_CONSOLE_POLL", "CONFIG_MAGIC_SYSRQ", "CONFIG_SERIAL_8250_PCI"}
	s := Scenario{Name: "kgdb", Title: "stop the kernel and use the debugger that is built into it"}
	for _, p := range []struct {
		name   string
		reason lockdown.Reason
		expect Expectation
		cmd    kdb.Command
		entry  kdb.Entry
	}{
		{"read", "dbg_read_kernel", Checked, kdb.Read, kdb.Once},
		{"registers", "dbg_read_kernel", Checked, kdb.Registers, kdb.Once},
		{"write", "dbg_write_kernel", Checked, kdb.Write, kdb.Once},
		{"set-register", "dbg_write_kernel", Checked, kdb.SetRegister, kdb.Once},
		{"read-as-user", "dbg_read_kernel", Checked, kdb.Read, kdb.AsUser},
		{"write-as-user", "dbg_write_kernel", Checked, kdb.Write, kdb.AsUser},
		{"breakpoints", "dbg_write_kernel", Checked, kdb.Command{Text: "bl", Shows: `bl\s+` + kdb.Prompt}, kdb.Once}, // there are none
		{"backtrace", "dbg_read_kernel", Unchecked, kdb.Command{Text: "bt", Shows: `Stack traceback for pid`}, kdb.Once},
		{"modules", "dbg_read_kernel", Unchecked, kdb.Command{Text: "lsmod", Shows: `Module +Size`}, kdb.Once},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: `write("` + kdb.SysRqFile + `", "g")` + p.entry.String() + `, kdb> ` + p.cmd.Name(), Reason: p.reason, Expect: p.expect},
			Where:    Where{Site: site, Needs: needs},
			Schedule: Schedule{Lines: 2, Machine: Debugger},
			Act:      Act{Do: func(ctx context.Context, _ Env) Report { return kdb.Run(ctx, p.cmd, p.entry) }},
		})
	}
	s.Probes = append(s.Probes,
		Probe{
			// The rights that kdb took are a parameter; the next entry takes
			// them again.
			Claim:    Claim{Name: "enable-again", Call: `write("` + kdb.EnableFile + `", "1") after kdb was refused, kdb> ` + kdb.Read.Name(), Reason: "dbg_read_kernel"},
			Where:    Where{Site: site, Needs: needs},
			Schedule: Schedule{Lines: 4, Machine: Debugger},
			Act:      Act{Do: func(ctx context.Context, _ Env) Report { return kdb.Run(ctx, kdb.Read, kdb.Again) }},
		},
		Probe{
			Claim:    Claim{Name: "gdb", Call: `write("` + kdb.SysRqFile + `", "g"), gdb $mCURRENT,8`, Reason: "dbg_write_kernel"},
			Where:    Where{Site: "kernel/debug/debug_core.c:kgdb_cpu_enter", Needs: needs},
			Schedule: Schedule{Lines: 3, Machine: Debugger, Exclusive: true},
			Act:      Act{Setup: kdb.AttachGDB(kdb.Once)},
		},
		Probe{
			Claim:    Claim{Name: "gdb-as-user", Call: `write("` + kdb.SysRqFile + `", "g")` + kdb.AsUser.String() + `, gdb $mCURRENT,8`, Reason: "dbg_write_kernel"},
			Where:    Where{Site: "kernel/debug/debug_core.c:kgdb_cpu_enter", Needs: needs},
			Schedule: Schedule{Lines: 3, Machine: Debugger, Exclusive: true},
			Act:      Act{Setup: kdb.AttachGDB(kdb.AsUser)},
		},
		Probe{
			Claim: Claim{
				Name:       "gdb-read",
				Call:       `write("` + kdb.SysRqFile + `", "g"), gdb $mCURRENT,8`,
				Expect:     Gap,
				Class:      ByDesign,
				Reason:     "dbg_read_kernel",
				ShadowedBy: []Shadow{{Reason: "dbg_write_kernel", Why: "the gdb stub, which reads and writes, checks it on entry"}},
				Source:     "kernel/debug/debug_core.c:kgdb_cpu_enter checks dbg_write_kernel alone, gdbstub.c nothing, v6.12",
			},
			Where:    Where{Site: "kernel/debug/gdbstub.c:gdb_cmd_memread", Needs: needs},
			Schedule: Schedule{Lines: 3, Machine: Debugger, Exclusive: true},
			Act:      Act{Setup: kdb.AttachGDB(kdb.Once)},
		},
	)
	return s
}
