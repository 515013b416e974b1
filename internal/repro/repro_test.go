package repro

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/matrix"
)

func finding(id, kernel, setting string) findings.Finding {
	return findings.Finding{ID: id, File: id + ".yaml", Kernel: kernel, Arches: []string{"x86_64"}, Setting: setting, Expect: findings.Reproduced,
		Steps: []findings.Step{{Probe: "msr/read", Verdict: []matrix.Verdict{matrix.Open}}}}
}

// TestOnBare: the claims about the posted series run on a kernel without the lab's
// patches, and those that need the lab's file are out of reach there.
func TestOnBare(t *testing.T) {
	list := onBare([]findings.Finding{finding("a", Posted, "integrity@boot"), finding("b", "stock", "none"), finding("c", Posted, "kcore@runtime")})
	if len(list) != 2 || list[0].Kernel != Bare || list[0].OutOfReach != "" || !strings.Contains(list[1].OutOfReach, "kcore@runtime") || list[1].Expect != findings.NotApplicable {
		t.Errorf("%+v", list)
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		f    findings.Finding
		want string
	}{
		{finding("a", "stock", "integrity@boot"), ""},
		{finding("a", "posted", "kcore@runtime"), ""},
		{finding("a", "stok", "none"), `a.yaml:1:1: there is no kernel "stok"`},
		{finding("a", "stock", "kcore@runtime"), "a.yaml:1:1: kernel stock: setting kcore@runtime"},
		{finding("a", "posted", "kcore@boot"), "cannot lock single reasons at boot"},
	} {
		err := Check([]findings.Finding{tc.f}, "")
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v, want %q", tc.f.Kernel, tc.f.Setting, err, tc.want)
		}
	}
}

// A finding that cannot be planned is told with the place in its file.
func TestCheckPlaces(t *testing.T) {
	const text = "id: x\nkind: review\nclaim: c\nsource: s\nkernel: stock\nsetting: none\npatch: mine.patch\nexpect: refuted\nsteps:\n  - probe: msr/read\n    verdict: open\n  - setting: none\n    open: /dev/mem\n    answer: ok\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.patch"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{"", "", ""},
		{"kernel: stock", "kernel: nosuch", `x.yaml:5:9: there is no kernel "nosuch"`},
		{"setting: none\npatch", "setting: kcore@runtime\npatch", "x.yaml:6:10: kernel stock: setting kcore@runtime"},
		{"  - setting: none", "  - setting: kcore@boot", "x.yaml:12:14: kernel stock: setting kcore@boot"},
		{"mine.patch", "none.patch", "x.yaml:7:8: find patch none.patch"},
		{"mine.patch", "/etc/passwd", "x.yaml:7:8: find patch /etc/passwd"},
		{"patch: mine.patch", "on_top: history/none", "x.yaml:7:9: find patch history/none"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(strings.Replace(text, tc.old, tc.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := findings.LoadDir(dir)
		if err == nil {
			err = Check(list, dir)
		}
		if (err == nil) != (tc.want == "") || err != nil && !strings.HasPrefix(err.Error(), filepath.Join(dir, tc.want[:min(6, len(tc.want))])) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.new, err, tc.want)
		}
	}
}

// TestPatchFiles: the lab's patches are written beside the results, a user's own are
// found in the directory of the findings, and nothing outside of it is.
func TestPatchFiles(t *testing.T) {
	own, out := t.TempDir(), filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(filepath.Join(own, "mine.patch"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, want string }{
		{"mine.patch", filepath.Join(own, "mine.patch")},
		{"history/kdb", "patches/history-kdb/0001-kdb.patch"},
		{"mutants/lock-lost.patch", "patches/mutants-lock-lost.patch/lock-lost.patch"},
	} {
		got, err := patchFiles(tc.name, own, out)
		if err != nil || len(got) != 1 || !strings.HasSuffix(got[0], tc.want) {
			t.Errorf("%s: %q, %v", tc.name, got, err)
			continue
		}
		if text, err := os.ReadFile(got[0]); err != nil || len(text) == 0 {
			t.Errorf("%s: %v", got[0], err)
		}
	}
	if err := os.Symlink("loop.patch", filepath.Join(own, "loop.patch")); err != nil {
		t.Fatal(err)
	}
	if _, err := patchFiles("loop.patch", own, out); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a patch that cannot be looked at: %v", err)
	}
	for _, name := range []string{"history/none", "../mine.patch", "/etc/passwd", "mutants/none.patch", "mutants/../mutants.go", "history/../posted"} {
		if got, err := patchFiles(name, own, out); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}
