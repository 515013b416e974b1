package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/internal/arch"
)

// TestPeersThatAreNotThere are named as not measured, each with a hint.
func TestPeersThatAreNotThere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b := &bench{options: options{peers: t.TempDir()}, dir: t.TempDir(), log: io.Discard}
	for name, tc := range map[string]struct {
		open func() error
		want string
	}{
		"virtme-ng":  {func() error { _, err := openVirtmeNG(t.Context(), b); return err }, "vng is not installed"},
		"rcutorture": {func() error { _, err := openRCUTorture(t.Context(), b); return err }, "gawk is not installed"},
		"kunit":      {func() error { _, err := openKUnit(t.Context(), b); return err }, "python3 is not installed"},
		"cold":       {func() error { _, err := openCold(t.Context(), b); return err }, "-cold"},
	} {
		if err := tc.open(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestFindPeer(t *testing.T) {
	b := &bench{options: options{peers: t.TempDir()}}
	program := filepath.Join(b.peers, "usr/bin/vng")
	if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := b.find("vng", ""); err != nil || got != program {
		t.Errorf("found %q, %v", got, err)
	}
	if env := strings.Join(b.env("A=b"), "\n"); !strings.Contains(env, "PATH="+b.peers+"/usr/bin:") || !strings.HasSuffix(env, "A=b") {
		t.Errorf("environment of a peer: %s", env)
	}
}

// TestPeersConfig: every line of the fragment says who needs it.
func TestPeersConfig(t *testing.T) {
	for line := range strings.Lines(peersConfig) {
		setting, why, _ := strings.Cut(line, "#")
		if strings.TrimSpace(setting) != "" && (!strings.HasPrefix(setting, "CONFIG_") || strings.TrimSpace(why) == "") {
			t.Errorf("line %q is not CONFIG_X=y # who needs it", line)
		}
	}
}

func TestFragment(t *testing.T) {
	text := plain("# title\nCONFIG_A=y  # why\nCONFIG_B=n # why\n\nCONFIG_C=\"\" # why\n")
	if want := "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"\"\n"; text != want {
		t.Errorf("fragment is %q, want %q", text, want)
	}
	for config, want := range map[string]string{
		"CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"\"\n": "",
		"CONFIG_A=y\nCONFIG_C=\"\"\n":                        "", // B depends on what is off
		"CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=\"\"\n":            "CONFIG_A=y # CONFIG_B is not set",
		"CONFIG_AA=y\n": `CONFIG_A=y CONFIG_C=""`,
	} {
		if got := strings.Join(lostLines(config, text), " "); got != want {
			t.Errorf("of %q is lost %q, want %q", config, got, want)
		}
	}
}

func TestSourceTree(t *testing.T) {
	cache := t.TempDir()
	if _, err := sourceTree(cache, "6.12.1"); err == nil {
		t.Error("found a source in an empty cache")
	}
	want := filepath.Join(cache, "sources/apt-x/6.12.1-1/tree")
	if err := os.MkdirAll(want, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := sourceTree(cache, "6.12.1"); err != nil || got != want {
		t.Errorf("found %q, %v", got, err)
	}
}

// TestTortureAsksForNoKVM: a /dev/kvm that opens may still run no guest.
func TestTortureAsksForNoKVM(t *testing.T) {
	text := tortureCommand(arch.Get("x86_64"), "bzImage", "initrd", "console")
	if strings.Contains(text, "kvm") {
		t.Errorf("qemu-cmd: %s", text)
	}
	if n := strings.Count(text, "\n# "); n != 2 {
		t.Errorf("qemu-cmd has %d settings, want 2: %s", n, text)
	}
}

func TestOnePatch(t *testing.T) {
	source := "a\nb\nc\n" + patchLine + "\nd\ne\nf\n"
	text, err := onePatch(source, 1<<40+7)
	if err != nil {
		t.Fatal(err)
	}
	files, _, err := gitdiff.Parse(strings.NewReader(text))
	if err != nil || len(files) != 1 || !strings.HasSuffix(files[0].NewName, patchFile) {
		t.Fatalf("%v %+v", err, files)
	}
	var out strings.Builder
	if err := gitdiff.Apply(&out, strings.NewReader(source), files[0]); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "== 7 ? -EPERM : 0;") || strings.Contains(got, patchLine+"\n") || strings.Count(got, "\n") != 7 {
		t.Errorf("patched: %q", got)
	}
	if _, err := onePatch("a\nb\n", 1); err == nil {
		t.Error("a patch was made of a file without the line")
	}
}
