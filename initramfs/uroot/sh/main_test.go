package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSh(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1 of $#\"; exit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   string // separated by tabs
		stdin  string
		out    string
		status int
	}{
		{"sh\t-c\techo hello; exit 3", "", "hello\n", 3},
		{"/bin/sh\t-c\techo hello", "", "hello\n", 0},
		{"sh\t-lc\techo hello", "", "hello\n", 0},
		{"-sh\t-c\texit 4", "", "", 4},
		{"sh\t-c\techo $0 $1 $2 $#\tname\tone\ttwo words", "", "name one two words 2\n", 0},
		{"sh\t-c\t", "", "", 0},
		{"sh\t-ec\tfalse; echo not reached", "", "", 1},
		{"sh\t-e\t-c\tfalse; echo not reached", "", "", 1},
		{"sh\t-euo\tpipefail\t-c\tfalse | true; echo not reached", "", "", 1},
		{"sh\t+e\t-c\tfalse; echo reached", "", "reached\n", 0},
		{"sh\t--login\t-c\techo hello", "", "hello\n", 0},
		{"sh\t-c\t--\techo hello", "", "hello\n", 0},
		{"sh\t" + script + "\tone\ttwo", "", "one of 2\n", 7},
		{"sh\t-x\t" + script + "\t-one", "", "-one of 1\n", 7},
		{"sh", "echo from stdin; exit 5", "from stdin\n", 5},
		{"sh\t-s\tone\ttwo", "echo $2", "two\n", 0},
		{"sh\t-", "echo from stdin", "from stdin\n", 0},
		{"sh\t-c\tread line; echo \"got $line\"", "input\n", "got input\n", 0},
		{"sh\t-c\tfor i in 1 2; do echo $i; done | while read x; do echo \"<$x>\"; done", "", "<1>\n<2>\n", 0},
		{"sh\t-c\tldlab-no-such-command", "", "", 127},
		{"sh\t-c", "", "", 2},
		{"sh\t-Z", "", "", 2},
		{"sh\t--nonsense", "", "", 2},
		{"sh\t-o", "", "", 2},
		{"sh\t-o\tnonsense\t-c\ttrue", "", "", 2},
		{"sh\t-c\tif", "", "", 2},
		{"sh\t/no/such/script", "", "", 127},
	} {
		in := filepath.Join(dir, "stdin")
		if err := os.WriteFile(in, []byte(tt.stdin), 0o644); err != nil {
			t.Fatal(err)
		}
		stdin, err := os.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		status := sh(strings.Split(tt.args, "\t"), stdin, &out, &errs)
		stdin.Close()
		if status != tt.status || out.String() != tt.out {
			t.Errorf("%s: status %d, want %d; output %q, want %q; %s", tt.args, status, tt.status, out.String(), tt.out, errs.String())
		}
		if status == statusUsage && !strings.HasPrefix(errs.String(), "sh: ") && !strings.Contains(errs.String(), "must be followed") {
			t.Errorf("%s: error %q", tt.args, errs.String())
		}
	}
}
