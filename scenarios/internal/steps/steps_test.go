package steps

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ldlab/ldlab/scenarios/internal/observe"
)

// TestRun does steps on ordinary files: descriptors with names, offsets, bytes that
// are no text, and calls that fail.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	path, none := filepath.Join(dir, "f"), filepath.Join(dir, "none")
	if err := os.WriteFile(path, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	list := []observe.Step{
		{Call: "open", File: path, Flags: unix.O_RDWR, As: "f"},
		{Call: "write", File: "$f", Data: "J"},
		{Call: "read", File: "$f"},
		{Call: "read", File: "$f", At: 1, Size: 2},
		{Call: "write", File: path, Hex: "ff00", At: 5},
		{Call: "read", File: path},
		{Call: "open", File: none},
		{Call: "lseek", Args: []string{"$f", "0", "0"}},
		{Call: "read", File: "$f", Size: 1},
		{Call: "lseek", Args: []string{"$f", "-1", "0"}},
		{Call: "openat", Args: []string{"-100", "text:" + path, "0", "0"}, As: "g"},
		{Call: "read", File: "$g", Size: 5},
		{Call: "mkdirat", Args: []string{"-100", "text:" + dir + "/d", "0700"}, Times: 2},
		{Call: "read", File: "$h"},
	}
	if err := observe.CheckSteps(list[:len(list)-1], Known); err != nil {
		t.Fatal(err)
	}
	want := []string{"ok", "ok", `"ello"`, `"el"`, "ok", "hex 4a656c6c6fff00", "ENOENT", "0", `"J"`, "EINVAL", "", `"Jello"`, "EEXIST", "EBADF"}
	got := Run(list)
	if len(got) != len(list) {
		t.Fatalf("%d steps came back of %d", len(got), len(list))
	}
	for i, s := range got {
		if a := s.Answer(); want[i] != "" && a != want[i] || !s.Done {
			t.Errorf("step %d: %s, want %s", i+1, s, want[i])
		}
	}
	if got[10].Ret < 3 {
		t.Errorf("%s: no descriptor", got[10])
	}
	if fi, err := os.Stat(dir + "/d"); err != nil || !fi.IsDir() {
		t.Errorf("mkdirat: %v", err)
	}
}

func TestCalls(t *testing.T) {
	if !slices.IsSorted(Names()) || !slices.Contains(Names(), "ioperm") {
		t.Errorf("names: %q", Names())
	}
	for _, name := range Names() {
		if !Known(name) {
			t.Errorf("%s is listed and not known", name)
		}
	}
	for _, name := range onlyX86 {
		if _, ok := common[name]; ok {
			t.Errorf("%s is not of all architectures", name)
		}
	}
	if number, ok := numbers["iopl"]; ok {
		delete(numbers, "iopl") // as on arm64
		defer func() { numbers["iopl"] = number }()
	}
	if s := Run([]observe.Step{{Call: "iopl", Args: []string{"3"}}}); s[0].Err != "ENOSYS" {
		t.Errorf("a call that the architecture lacks: %s", s[0])
	}
}

func TestCheckSteps(t *testing.T) {
	open := observe.Step{Call: "open", File: "/x", As: "f"}
	for _, tc := range []struct {
		name string
		list []observe.Step
		want string
	}{
		{"good", []observe.Step{open, {Call: "ioctl", Args: []string{"$f", "0x10", "hex:00", "zeros:8", "text:a", "-1"}}}, ""},
		{"many", make([]observe.Step, observe.MaxSteps+1), "65, at most 64"},
		{"unknown call", []observe.Step{{Call: "fork"}}, "no such call"},
		{"no file", []observe.Step{{Call: "read"}}, "no file"},
		{"file of a call", []observe.Step{{Call: "ioctl", File: "/x"}}, "a call has arguments"},
		{"arguments of a file", []observe.Step{{Call: "read", File: "/x", Args: []string{"1"}}}, "a call has arguments"},
		{"unknown descriptor", []observe.Step{{Call: "read", File: "$f"}}, "no step before it opened $f"},
		{"unknown argument", []observe.Step{open, {Call: "ioctl", Args: []string{"$g"}}}, "no step before it opened $g"},
		{"relative", []observe.Step{{Call: "read", File: "x"}}, "not absolute"},
		{"size", []observe.Step{{Call: "read", File: "/x", Size: observe.MaxAnswer + 1}}, "out of range"},
		{"times", []observe.Step{{Call: "read", File: "/x", Times: observe.MaxTimes + 1}}, "out of range"},
		{"arguments", []observe.Step{{Call: "ioctl", Args: make([]string, 7)}}, "out of range"},
		{"hex", []observe.Step{{Call: "write", File: "/x", Hex: "0"}}, "odd length"},
		{"both", []observe.Step{{Call: "write", File: "/x", Hex: "00", Data: "a"}}, "text and bytes"},
		{"no bytes", []observe.Step{{Call: "ioctl", Args: []string{"hex:"}}}, "no bytes to point to"},
		{"zeros", []observe.Step{{Call: "ioctl", Args: []string{"zeros:1000000"}}}, "1000000 zeros"},
		{"number", []observe.Step{{Call: "ioctl", Args: []string{"1x"}}}, "invalid syntax"},
		{"data", []observe.Step{{Call: "write", File: "/x", Data: strings.Repeat("x", observe.MaxStepData)}}, "bytes, at most"},
	} {
		err := observe.CheckSteps(tc.list, Known)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestFlags(t *testing.T) {
	flags, err := observe.ParseFlags("O_RDWR|O_SYNC|O_TRUNC")
	s := observe.Step{Call: "open", File: "/x", Flags: flags, Done: true, Err: "EPERM"}
	if err != nil || !strings.HasPrefix(s.String(), `open("/x", O_RDWR|`) || !strings.Contains(s.String(), "O_TRUNC") || !strings.HasSuffix(s.String(), "= EPERM") {
		t.Errorf("%s, %v", s, err)
	}
	if _, err := observe.ParseFlags("O_RDWR|bad"); err == nil {
		t.Error("a bad flag")
	}
	if !observe.IsErrno("EPERM") || observe.IsErrno("EPREM") || observe.IsErrno("") {
		t.Error("errno names")
	}
}
