// Package vmtest is what a user of github.com/hugelgupf/vmtest would write to
// ask a kernel one question. It is a module of its own, so that the lab does
// not depend on what it is measured against.
package vmtest

import (
	"testing"

	"github.com/hugelgupf/vmtest/qemu"
	"github.com/hugelgupf/vmtest/qemu/quimage"
	"github.com/u-root/mkuimage/uimage"
)

// TestBoot boots VMTEST_KERNEL, opens /dev/mem there and reads a byte, and
// waits for the machine to power off.
func TestBoot(t *testing.T) {
	vm := qemu.StartT(t, "bench", qemu.ArchUseEnvv,
		quimage.WithUimageT(t,
			uimage.WithInit("init"),
			uimage.WithUinit("shutdownafter", "--", "dd", "if=/dev/mem", "of=/dev/null", "bs=1", "count=1"),
			uimage.WithBusyboxCommands(
				"github.com/u-root/u-root/cmds/core/dd",
				"github.com/u-root/u-root/cmds/core/init",
				"github.com/hugelgupf/vmtest/vminit/shutdownafter",
			),
		),
	)
	if err := vm.Wait(); err != nil {
		t.Fatal(err)
	}
}
