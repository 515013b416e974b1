package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios"
)

// Files of the lab series (kernels/patches/lab).
const (
	sitesFile  = "/sys/kernel/security/ldlab/sites"
	takeFile   = "/sys/kernel/security/ldlab/take" // the same text, forgotten when it is opened
	mutateFile = "/sys/kernel/security/ldlab/mutate"
)

// maxChecks bounds the checks in one frame.
const maxChecks = 512

// drainCounts reads the kernel's counters and resets them, in one step.
func drainCounts() (checks []scenarios.Check, ok bool, err error) { return readCountsOf(takeFile) }

// readCounts reads what the kernel counted of each call site since the counters
// were reset. ok is false if this kernel does not count.
func readCounts() (checks []scenarios.Check, ok bool, err error) { return readCountsOf(sitesFile) }

func readCountsOf(file string) (checks []scenarios.Check, ok bool, err error) {
	text, err := readBounded(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err == nil {
		checks, err = parseCounts(text)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read counts: %w", err)
	}
	return checks, true, nil
}

// parseCounts parses the sites file: one line with the number of checks that
// were not counted, and one for each call site, reason and comm.
func parseCounts(text string) (checks []scenarios.Check, err error) {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) == 3 && f[0] == "#" {
			if f[2] != "0" {
				return nil, fmt.Errorf("%s checks were not counted", f[2])
			}
			continue
		}
		if len(f) != 5 {
			return nil, fmt.Errorf("parse %q: %d fields, want 5", line, len(f))
		}
		c := scenarios.Check{Site: f[0], Label: f[1], Comm: f[2]}
		if c.Checks, err = strconv.Atoi(f[3]); err == nil {
			c.Denials, err = strconv.Atoi(f[4])
		}
		if err == nil && (c.Checks < 0 || c.Denials < 0) {
			err = strconv.ErrRange
		}
		if err != nil {
			return nil, fmt.Errorf("parse %q: %w", line, err)
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// writeWhole does one write(2) of a whole command.
func writeWhole(file, data string) error {
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	n, err := unix.Write(fd, []byte(data))
	unix.Close(fd)
	if err == nil && n != len(data) {
		err = fmt.Errorf("took %d of %d bytes", n, len(data))
	}
	if err != nil {
		name := err.Error()
		if e, ok := err.(unix.Errno); ok {
			name = unix.ErrnoName(e)
		}
		return fmt.Errorf("write(%q, %q): %s", file, data, name)
	}
	return nil
}
