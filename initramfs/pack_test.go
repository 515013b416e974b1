package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ldlab/ldlab/internal/testutil"
)

func TestPack(t *testing.T) {
	dir := t.TempDir()
	shell, guest, image := filepath.Join(dir, "shell"), filepath.Join(dir, "guest"), filepath.Join(dir, "image")
	var first bytes.Buffer
	if err := writeArchive(&first, []cpio.Record{cpio.Symlink("init", "bbin/init"), cpio.StaticFile("bbin/bb", "busy", 0o755)}); err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{shell: first.Bytes(), guest: []byte("the guest program")} {
		if err := os.WriteFile(file, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := pack(image, shell, guest, []sourceFile{{"ldlab/keys/a", []byte("A")}, {"ldlab/keys/b", []byte("B")}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if at := bytes.LastIndex(b, []byte("070701")); at < 0 || !bytes.HasPrefix(b[(first.Len()+511)/512*512:], []byte("070701")) {
		t.Error("the second archive does not start at a multiple of 512")
	}
	all := testutil.Archives(t, b)
	if len(all) != 2 {
		t.Fatalf("%d archives, want 2", len(all))
	}
	all[0].Check(t, testutil.HasFile("bbin/bb", "busy", 0o755), testutil.HasLink("init", "bbin/init"))
	all[1].Check(t, testutil.HasFile("init", "the guest program", 0o755), testutil.HasFile("ldlab/keys/b", "B", 0o600), testutil.InOrder)
}

func TestConfigIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"no architecture":      {Cache: "x"},
		"no cache directory":   {Arch: testArch},
		`guest path "ldlab/x"`: {Arch: testArch, Cache: "x", Files: map[string]string{"ldlab/x": "x"}},
		`guest path "/a/../b"`: {Arch: testArch, Cache: "x", Files: map[string]string{"/a/../b": "x"}},
		`guest path "/init"`:   {Arch: testArch, Cache: "x", Files: map[string]string{"/init": "x"}},
		`guest path "/x": it`:  {Arch: testArch, Cache: "x", Files: map[string]string{"/x": "x"}, Content: map[string][]byte{"/x": nil}},
	} {
		if _, err := Build(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "build initramfs: "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
