package module

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// testMmiotrace is the test module of mmiotrace. It logs what it does, which is
// all that is left of it once it is refused (arch/x86/mm/testmmiotrace.c:init,
// v6.12).
const testMmiotrace = "testmmiotrace"

// VGAHole is an address at which the module may write: the window of a display
// that the machine does not have. read_far=0 keeps it to 16 KiB.
const VGAHole = "mmio_address=0xa0000 read_far=0"

// LoadMmiotrace loads the module and unloads it. Without an address it does
// nothing but log that it has none, and returns ENXIO. The report has a look
// whether it came so far, or whether it wrote at the address.
func LoadMmiotrace(file, params string) observe.Report {
	log, err := observe.TailLog()
	if err != nil {
		return observe.SetupFailed(`open("/dev/kmsg")`, err)
	}
	r := Loading{File: file, Params: params}.do()
	text := log.Close()
	if r.Outcome == observe.Unavailable {
		return r
	}
	if r.Outcome == observe.Allowed {
		if err := unix.DeleteModule(testMmiotrace, unix.O_NONBLOCK); err != nil {
			return observe.SetupFailed("delete_module("+testMmiotrace+")", err)
		}
	}
	line := testMmiotrace + ": write test."
	if params == "" {
		line = testMmiotrace + ": you have to use the module argument mmio_address."
		r = observe.AllowedIf(r, unix.ENXIO)
	}
	logged := strings.Contains(text, line)
	return r.Saw(logged, fmt.Sprintf("read(\"/dev/kmsg\") has %q: %v", line, logged))
}
