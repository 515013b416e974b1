package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/scenarios/internal/sysrq"
)

func init() { register("lifted", liftedScenario) }

// liftedActs are the acts that must still be denied after an attempt to lift
// lockdown: at least one of each level. Each takes at most 2 lines of the log.
var liftedActs = []string{"debugfs/warn-once", "devmem/read", "module/unsigned", "kcore/read", "tracefs/trace"}

// Lockdown lasts until the next boot: nothing takes it back. Distributions shipped
// a key that did (SysRq+x in Debian, Fedora and Ubuntu kernels of 2013 to 2019).
// The key had to be pressed at the machine; /proc/sysrq-trigger refused it. Each
// probe tries one way to lift lockdown and then does acts of reasons that are
// locked. PID 1 reads the level after it, as after every probe.
func liftedScenario() Scenario {
	s := Scenario{Name: "lifted", Title: "take lockdown back"}
	for _, p := range []struct {
		name, call string
		needs      []string
		machine    MachineKind
		lift       func(context.Context) Report
	}{
		{"sysrq", fmt.Sprintf("write(%q, each of %d keys)", sysrq.Trigger, len(sysrq.Keys())), []string{"CONFIG_MAGIC_SYSRQ"}, Plain, func(context.Context) Report { return sysrq.Press() }},
		{"sysrq-line", fmt.Sprintf("a break and a key on the line of the console, each of %d keys", len(sysrq.Keys())),
			[]string{"CONFIG_MAGIC_SYSRQ", "CONFIG_MAGIC_SYSRQ_SERIAL", "CONFIG_SERIAL_8250_PCI"}, Debugger, sysrq.PressOnLine},
		{"sysrq-keyboard", fmt.Sprintf("Alt, SysRq and a key on the keyboard, each of %d keys", len(sysrq.Keys())),
			[]string{"CONFIG_MAGIC_SYSRQ", "CONFIG_VIRTIO_INPUT", "CONFIG_SERIAL_8250_PCI"}, Debugger, sysrq.PressOnKeyboard},
		{"files", "write, truncate, change and remount lockdown's files", nil, Plain, func(context.Context) Report { return sysrq.Lower() }},
	} {
		s.Probes = append(s.Probes, Probe{
			Claim:    Claim{Name: p.name, Call: p.call + ", then " + strings.Join(liftedActs, ", "), Reason: "debugfs"},
			Where:    Where{Site: "fs/debugfs/file.c:debugfs_locked_down", Needs: append([]string{"CONFIG_DEBUG_FS"}, p.needs...)},
			Schedule: Schedule{Machine: p.machine, AltersLock: true, Once: true, Lines: 2 * len(liftedActs)},
			Act: Act{Do: func(ctx context.Context, env Env) Report {
				if r := p.lift(ctx); r.Outcome != Allowed {
					return r
				}
				return stillDenied(ctx, env)
			}},
		})
	}
	s.Probes = append(s.Probes, Probe{
		Claim: Claim{Name: "help", Call: `write("` + sysrq.Trigger + `", "h")`, Reason: "debugfs", Expect: Unchecked},
		Where: Where{Site: "drivers/tty/sysrq.c:write_sysrq_trigger", Needs: []string{"CONFIG_MAGIC_SYSRQ"}},
		Act:   Act{Do: func(context.Context, Env) Report { return sysrq.Help() }},
	})
	return s
}

// stillDenied does the first act, and those of other reasons that are locked. It
// returns the report of the first one, or of one that is not denied.
func stillDenied(ctx context.Context, env Env) (first Report) {
	for i, id := range liftedActs {
		row, ok := Find(id)
		if !ok || i > 0 && (!env.Setting.Locks(row.Reason) || row.DeniedAtBoot(env.Setting)) {
			continue
		}
		r := row.Do(ctx, env)
		if i == 0 {
			first = r
		} else if r.Outcome == Allowed || r.Effect == Happened {
			r.Call += fmt.Sprintf(" (%s, although %s is locked)", id, row.Reason)
			return r
		}
	}
	return first
}
