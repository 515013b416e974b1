// Package kunit reads the results of KUnit suites and runs suites again, through the
// files that they have in debugfs (lib/kunit/debugfs.c, v6.12).
package kunit

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// Dir has a directory for each suite.
const Dir = "/sys/kernel/debug/kunit"

// option is the line of the configuration that makes these files.
const option = "CONFIG_KUNIT_DEBUGFS"

const (
	maxResults = 1 << 20                // of a suite, in bytes
	maxText    = 300                    // of failures in a report, in bytes
	soon       = 100 * time.Millisecond // a suite that runs has logged its name by then
)

// Results reads the results of all suites. A case that failed makes the act fail,
// because a suite that found a bug shows no sound kernel.
func Results() observe.Report {
	return results(Dir)
}

func results(dir string) observe.Report {
	suites, r := list(dir, "results")
	for _, s := range suites {
		if r = passed(filepath.Join(dir, s, "results")); r.Outcome != observe.Allowed {
			return r
		}
	}
	return r
}

// Again has all suites run. A suite of code that is gone after boot has no file for
// that, and is left out.
func Again() observe.Report {
	suites, r := list(Dir, "run")
	for _, s := range suites {
		if r = again(s); r.Outcome != observe.Allowed {
			return r
		}
	}
	return r
}

// again runs one suite. It has run if the kernel has logged its beginning.
func again(suite string) observe.Report {
	run, call := filepath.Join(Dir, suite, "run"), observe.WriteCall(Dir+"/*/run", "1")
	log, err := observe.TailLog()
	if err != nil {
		return observe.SetupFailed(`open("/dev/kmsg")`, err)
	}
	defer log.Close()
	r := observe.WriteText(run, "1")
	r.Call = strings.Replace(r.Call, run, Dir+"/*/run", 1)
	line, err := log.Await("    # Subtest: "+suite+"\n", soon)
	begun := err == nil && line != ""
	r = r.Saw(begun, fmt.Sprintf("the kernel's log has the beginning of %s: %v", suite, begun))
	if r.Outcome != observe.Allowed {
		return r
	}
	if bad := passed(filepath.Join(Dir, suite, "results")); bad.Outcome != observe.Allowed {
		r.Outcome, r.Why, r.Call = bad.Outcome, bad.Why, bad.Call
		return r
	}
	r.Call = observe.CallText(call, nil)
	return r
}

// list names the suites that have a file of that name. The report is the one of a
// kernel that has none.
func list(dir, file string) (suites []string, r observe.Report) {
	files, err := filepath.Glob(filepath.Join(dir, "*", file))
	if err != nil || len(files) == 0 {
		call := fmt.Sprintf("open(%q)", filepath.Join(dir, "*", file))
		return nil, observe.Report{Outcome: observe.Unavailable, Call: observe.CallText(call, unix.ENOENT), Why: option}
	}
	for _, f := range files {
		suites = append(suites, filepath.Base(filepath.Dir(f)))
	}
	return suites, r
}

// passed reads the results of a suite and reports whether all of its cases passed or
// were skipped.
func passed(file string) observe.Report {
	call := fmt.Sprintf("read(%q)", file)
	f, err := os.Open(file)
	if err != nil {
		return observe.FromError(call, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResults))
	if err != nil {
		return observe.FromError(call, err)
	}
	tests, whole := ktap.Parse(string(text))
	bad := strings.Join(ktap.Bad(tests), "; ")
	switch {
	case bad != "":
		return observe.Report{Outcome: observe.Failed, Call: call, Why: strings.ToValidUTF8(bad[:min(len(bad), maxText)], "")}
	case !whole || len(tests) == 0:
		return observe.Report{Outcome: observe.Failed, Call: call, Why: "there are no whole results"}
	}
	return observe.FromError(call, nil)
}
