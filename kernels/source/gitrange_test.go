package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/kernels/patchset"
)

// TestGitRange: a range gives the same bytes whatever the user's configuration of git is,
// and a commit without a change is none of its patches.
func TestGitRange(t *testing.T) {
	testutil.RequireProgram(t, "git")
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ä", "-c", "user.email=a@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %s", args, out)
		}
	}
	git("init", "-q", "-b", "topic")
	for _, text := range []string{"1", "2", "3"} {
		write(t, dir, map[string]string{"f": text + "\n\n\n\n\n\n" + text + "\n", "g": text + "\n"})
		git("add", ".")
		git("commit", "-q", "-m", "set "+text)
		git("commit", "-q", "--allow-empty", "-m", "nothing")
	}
	r, ok := ParseGitRange("git:" + dir + "@topic~4..topic")
	if !ok {
		t.Fatal("no range")
	}
	plain, _, err := r.Patches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := patchset.Reader{Commits: true}.Read("x", strings.NewReader(string(plain)))
	if err != nil || len(s.Patches) != 2 || len(s.Notes) > 0 || strings.Join(s.Patches[0].Files(), " ") != "f g" {
		t.Errorf("%+v, %v", s, err)
	}
	order := filepath.Join(dir, "order")
	if err := os.WriteFile(order, []byte("g\nf\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"diff.noprefix", "true"}, {"format.noprefix", "true"}, {"diff.mnemonicPrefix", "true"}, {"format.useAutoBase", "true"}, {"diff.orderFile", order}, {"format.attach", "x"},
		{"format.signOff", "true"}, {"format.thread", "true"}, {"format.coverLetter", "true"}, {"format.headers", "X-A: b"}, {"format.to", "b@example.org"}, {"format.from", "true"},
		{"format.subjectPrefix", "RFC"}, {"format.signature", "x"}, {"diff.context", "0"}, {"diff.algorithm", "patience"}, {"diff.suppressBlankEmpty", "true"}, {"color.ui", "always"},
		{"core.abbrev", "20"}, {"format.numbered", "true"}, {"format.numbered", "false"}, {"format.encodeEmailHeaders", "false"},
	} {
		git("config", c[0], c[1])
		if got, _, err := r.Patches(t.Context()); err != nil || string(got) != string(plain) {
			t.Errorf("%s: %v, %s", c, err, got)
		}
		git("config", "--unset", c[0])
	}
}
