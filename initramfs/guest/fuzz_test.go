package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// FuzzParseCounts: checks that parse are parsed equally when they are written in
// the series' format again.
func FuzzParseCounts(f *testing.F) {
	f.Add("#\tmissed\t0\nopen_port+0x2a/0x40\t/dev/mem,kmem,port\tldp-0001\t2\t1\ninit+0x1/0x9 [m]\tunsafe mmio\tx\\ty\t1\t0\n")
	f.Add("#\tmissed\t3\n")
	f.Add("f\tr\tc\tone\t0\n")
	f.Add("f\tr\tc\t1\t-2")
	f.Fuzz(func(t *testing.T, in string) {
		checks, err := parseCounts(in)
		if err != nil {
			return
		}
		var text bytes.Buffer
		for _, c := range checks {
			if c.Checks < 0 || c.Denials < 0 {
				t.Errorf("%q: %d of %d checks were denied", in, c.Denials, c.Checks)
			}
			fmt.Fprintf(&text, "%s\t%s\t%s\t%d\t%d\n", c.Site, c.Label, c.Comm, c.Checks, c.Denials)
		}
		again, err := parseCounts(text.String())
		if err != nil || !slices.Equal(again, checks) {
			t.Errorf("%q is %+v; written again, %+v, %v", in, checks, again, err)
		}
	})
}

// FuzzJob: a job is read as it was written, however the pipe splits it.
func FuzzJob(f *testing.F) {
	f.Add("module/list", int64(time.Second), "dev_mem,kcore@runtime", "bitmap", 7)
	f.Add("", int64(-1), "none", "", 1)
	f.Fuzz(func(t *testing.T, probe string, left int64, setting, kind string, chunk int) {
		s, err := lockdown.ParseSetting(setting)
		if err != nil || strings.Contains(probe+kind, "\n") || probe == "." || kind == "." || len(probe)+len(kind)+len(setting) > maxJob/2 {
			return // neither the tables nor a request has such names
		}
		want := job{probe, time.Duration(left), scenarios.Env{Setting: s, Interface: lockdown.Interface(kind)}, taskAct}
		if chunk%2 == 0 { // texts that would end a line or the job
			want.env.Steps = []scenarios.Step{{Call: "write", File: "/x", Data: kind + "\n.\n"}, {Call: "ioctl", Args: []string{"$f", setting}}}
		}
		text, err := readJob(&chunks{want.String(), max(1, min(chunk, 512))})
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseJob(text)
		if err != nil || got.String() != want.String() || len(got.env.Steps) != len(want.env.Steps) {
			t.Errorf("sent %q, read %q: %v", want, got, err)
		}
	})
}

// chunks is a pipe whose reads return at most size bytes. A read after the text
// would block in a guest, and fails here.
type chunks struct {
	text string
	size int
}

func (c *chunks) Read(b []byte) (int, error) {
	if c.text == "" {
		return 0, errors.New("read past the end of the job")
	}
	n := copy(b, c.text[:min(c.size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

func FuzzWorkersWanted(f *testing.F) {
	f.Add("quiet ldlab.workers=40\n")
	f.Add("ldlab.workers=99999999999999999999")
	f.Fuzz(func(t *testing.T, cmdline string) {
		n := workersWanted(cmdline)
		if n < 0 || n > 256 || n > 0 && !strings.Contains(cmdline, "ldlab.workers=") {
			t.Errorf("%q: %d", cmdline, n)
		}
	})
}
