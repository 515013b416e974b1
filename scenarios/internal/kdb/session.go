package kdb

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/debugger"
	"github.com/ldlab/ldlab/scenarios/internal/hostport"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

const (
	kgdbocFile = "/sys/module/kgdboc/parameters/kgdboc"
	EnableFile = "/sys/module/kdb/parameters/cmd_enable"
	SysRqFile  = "/proc/sysrq-trigger"
)

// A debugSession is a serial port that the host's driver answers and that the
// kernel's debugger uses. The kernel polls the port while it is stopped; before
// and after, this process uses it.
type debugSession struct {
	*hostport.Port
	rights string // kdb's permissions before it was entered

	flagged bool // the flag of Write was set when the kernel continued
}

// startDebugSession finds the port and gives it to kgdboc. The report is
// Allowed if that worked.
func startDebugSession(ctx context.Context) (*debugSession, observe.Report) {
	for _, need := range []struct{ path, config string }{
		{kgdbocFile, "CONFIG_KGDB_SERIAL_CONSOLE"}, {EnableFile, "CONFIG_KGDB_KDB"}, {SysRqFile, "CONFIG_MAGIC_SYSRQ"},
	} {
		if r := observe.UnavailableIf(observe.WithFile(need.path, unix.O_WRONLY, nil), need.config, unix.ENOENT); r.Outcome != observe.Allowed {
			return nil, r
		}
	}
	port, r := hostport.Open(ctx)
	if r.Outcome != observe.Allowed {
		return nil, r
	}
	s := &debugSession{Port: port}
	s.rights, _ = observe.ReadBounded(EnableFile)
	// Distributions let kdb do less (CONFIG_KDB_DEFAULT_ENABLE=0); root may change
	// that.
	if err := observe.WriteCommand(EnableFile, "1"); err != nil {
		port.Close()
		return nil, observe.SetupFailed(observe.WriteCall(EnableFile, "1"), err)
	}
	// ENODEV: the port's driver cannot be polled.
	if err := observe.WriteCommand(kgdbocFile, port.TTY); err != nil {
		port.Close()
		return nil, observe.UnavailableIf(observe.SetupFailed(fmt.Sprintf("write(%q, %q)", kgdbocFile, port.TTY), err), "CONFIG_CONSOLE_POLL", unix.ENODEV)
	}
	return s, r
}

// end takes the port from the kernel's debugger and restores the permissions
// that lockdown removed from kdb. Without this, kdb would not check lockdown
// for the next probe.
func (s *debugSession) end() error {
	defer s.Close()
	return errors.Join(
		// An empty name; kgdboc drops the newline (param_set_kgdboc_var, v6.12).
		observe.WriteCommand(kgdbocFile, "\n"),
		observe.WriteCommand(EnableFile, s.rights),
	)
}

// run stops the kernel and returns its debugger's answers to the script. It
// first checks that the host's driver answers: nothing else could continue the
// kernel.
func (s *debugSession) run(script []debugger.Step) ([]debugger.Output, error) {
	if err := debugger.Prepare(s.Port, script); err != nil {
		return nil, err
	}
	// This file ignores the mask in kernel.sysrq
	// (drivers/tty/sysrq.c:write_sysrq_trigger, v6.12).
	err := observe.WriteCommand(SysRqFile, "g")
	s.flagged = takeFlag()
	if err != nil {
		return nil, err
	}
	return debugger.Fetch(s.Port)
}
