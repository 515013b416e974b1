package testutil

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// A recorder is a test that only notes how it was ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()                        {}
func (r *recorder) Fatal(args ...any)              { r.ended = "fatal: " + args[0].(error).Error() }
func (r *recorder) Fatalf(format string, _ ...any) { r.ended = "fatal" }
func (r *recorder) Skipf(format string, _ ...any)  { r.ended = "skip" }

func TestRequire(t *testing.T) {
	lack := errors.New("not found")
	for _, tt := range []struct {
		env, word string
		lack      error
		want      string
	}{
		{"", "qemu", nil, ""},
		{"", "qemu", lack, "skip"},
		{"qemu", "qemu", lack, "fatal"},
		{"all", "qemu", lack, "fatal"},
		{"all", "sbverify", lack, "fatal"},
		{"all", "qemu", nil, ""},
		{"git, make,\tqemu", "qemu", lack, "fatal"},
		{"git make", "qemu", lack, "skip"},
		// A part of a word is no word.
		{"qemux", "qemu", lack, "fatal: unknown word"},
		{"cmake", "make", lack, "fatal: unknown word"},
		{"qemu kernel", "qemu", nil, "fatal: unknown word \"kernel\""},
		{"ALL", "qemu", nil, "fatal: unknown word"},
		{"", "qmeu", nil, "fatal: the test needs \"qmeu\""},
	} {
		t.Setenv(requireEnv, tt.env)
		r := &recorder{TB: t}
		Require(r, tt.word, tt.lack)
		if r.ended != tt.want && (tt.want == "" || !strings.HasPrefix(r.ended, tt.want)) {
			t.Errorf("%s=%q, %s, %v: %q, want %q", requireEnv, tt.env, tt.word, tt.lack, r.ended, tt.want)
		}
	}
}

// TestDepsInstallsWords: "make deps" installs what "make test" requires.
func TestDepsInstallsWords(t *testing.T) {
	script, err := os.ReadFile("../../scripts/deps")
	if err != nil {
		t.Fatal(err)
	}
	for word, from := range words {
		name, ok := strings.CutPrefix(from, "Debian package ")
		if ok && !strings.Contains(string(script), " "+word+":"+name+" ") {
			t.Errorf("scripts/deps does not have %s:%s", word, name)
		}
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(makefile), "\n") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), requireEnv+"="); ok {
			value, _, _ = strings.Cut(strings.TrimPrefix(value, `"`), " ")
			if required, err := isRequired(value, "sbverify"); err != nil || !required {
				t.Errorf("make sets %s=%s: %v", requireEnv, value, err)
			}
		}
	}
}
