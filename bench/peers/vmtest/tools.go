//go:build tools

package vmtest

// The commands of the guest, for go.mod to have them.
import (
	_ "github.com/hugelgupf/vmtest/vminit/shutdownafter"
	_ "github.com/u-root/u-root/cmds/core/dd"
	_ "github.com/u-root/u-root/cmds/core/init"
)
