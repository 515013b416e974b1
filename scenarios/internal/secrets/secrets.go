// Package secrets gives keys to parts of the kernel and reads them back.
package secrets

import (
	"bytes"
	"fmt"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
	"github.com/ldlab/ldlab/scenarios/internal/ownpage"
)

// newKey is a key of n bytes that no act had before.
func newKey(n int) []byte { return ownpage.Pattern(make([]byte, n)) }

// read is the report of a call that succeeded: whether what it brought has the
// key. Without the key the kernel has hidden it, whatever is there instead.
func read(call string, got, key []byte) observe.Report {
	if !bytes.Contains(got, key) {
		r := observe.DeniedAs(observe.Report{Call: observe.CallText(call, nil)}, "an answer without the key")
		return r.Saw(false, fmt.Sprintf("the answer has % .8x..., and not the key, % .8x...", got, key))
	}
	return observe.FromError(call, nil).Saw(true, fmt.Sprintf("the answer has the key, % .8x...", key))
}
