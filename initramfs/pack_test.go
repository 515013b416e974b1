package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

// archives reads what the kernel would unpack, archive by archive.
func archives(t *testing.T, image []byte) (all [][]cpio.Record) {
	t.Helper()
	for len(bytes.Trim(image, "\x00")) > 0 {
		image = bytes.TrimLeft(image, "\x00")
		r := cpio.Newc.Reader(bytes.NewReader(image))
		var records []cpio.Record
		end := int64(0)
		for {
			rec, err := r.ReadRecord()
			if err != nil {
				break
			}
			records = append(records, rec)
			end = rec.FilePos + int64(rec.FileSize)
		}
		trailer := bytes.Index(image[end:], []byte(cpio.Trailer))
		if trailer < 0 {
			t.Fatalf("archive %d has no trailer", len(all))
		}
		image = image[end+int64(trailer)+int64(len(cpio.Trailer)):]
		all = append(all, records)
	}
	return all
}

func record(t *testing.T, records []cpio.Record, name string) (content string, mode uint64) {
	t.Helper()
	for _, r := range records {
		if r.Name == name {
			b := make([]byte, r.FileSize)
			if r.FileSize > 0 {
				if _, err := r.ReadAt(b, 0); err != nil {
					t.Fatal(err)
				}
			}
			return string(b), r.Mode
		}
	}
	t.Fatalf("no %s in the archive", name)
	return "", 0
}

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
	all := archives(t, b)
	if len(all) != 2 {
		t.Fatalf("%d archives, want 2", len(all))
	}
	if content, _ := record(t, all[0], "bbin/bb"); content != "busy" {
		t.Errorf("u-root's part has %q", content)
	}
	if content, mode := record(t, all[1], "init"); content != "the guest program" || mode != cpio.S_IFREG|0o755 {
		t.Errorf("/init is %q with mode %o", content, mode)
	}
	if content, mode := record(t, all[1], "ldlab/keys/b"); content != "B" || mode != cpio.S_IFREG|0o600 {
		t.Errorf("file is %q with mode %o", content, mode)
	}
	// The kernel makes no directories by itself, and makes them in order.
	seen := map[string]bool{".": true, "dev": true}
	for _, r := range all[1] {
		if d := filepath.Dir(r.Name); !seen[d] {
			t.Errorf("%s comes before its directory", r.Name)
		}
		if seen[r.Name] = true; r.MTime != 0 {
			t.Errorf("%s has time %d", r.Name, r.MTime)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"no architecture":      {Cache: "x"},
		"no cache directory":   {Arch: testArch},
		`guest path "ldlab/x"`: {Arch: testArch, Cache: "x", Files: map[string]string{"ldlab/x": "x"}},
		`guest path "/a/../b"`: {Arch: testArch, Cache: "x", Files: map[string]string{"/a/../b": "x"}},
		`guest path "/init"`:   {Arch: testArch, Cache: "x", Files: map[string]string{"/init": "x"}},
	} {
		if _, err := Build(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "build initramfs: "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
