package bundle

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func sample(t testing.TB) ([]Member, []byte, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("kernel "), 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	members := []Member{{Name: "ldlab", Content: []byte("a program"), Program: true}, {Name: "image-1", Path: file}, {Name: "plan.json"}}
	var b bytes.Buffer
	digest, err := Write(&b, members)
	if err != nil {
		t.Fatal(err)
	}
	return members, b.Bytes(), digest
}

func extract(t testing.TB, b []byte) (dir, digest string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "out")
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return dir, "", err
	}
	defer r.Close()
	return dir, r.Digest, r.Extract(dir)
}

func TestRoundTrip(t *testing.T) {
	members, b, digest := sample(t)
	_, again, other := sample(t)
	if !bytes.Equal(b, again) || digest != other {
		t.Error("the same members have other bytes")
	}
	dir, got, err := extract(t, b)
	if err != nil || got != digest {
		t.Fatalf("digest %s, %v, want %s", got, err, digest)
	}
	for _, m := range members {
		want := m.Content
		if m.Path != "" {
			want, _ = os.ReadFile(m.Path)
		}
		text, err := os.ReadFile(filepath.Join(dir, m.Name))
		if err != nil || !bytes.Equal(text, want) {
			t.Errorf("%s: %d bytes, %v", m.Name, len(text), err)
		}
		if info, err := os.Stat(filepath.Join(dir, m.Name)); err == nil && (info.Mode()&0o100 != 0) != m.Program {
			t.Errorf("%s has mode %v", m.Name, info.Mode())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, SumsFile)); err != nil {
		t.Error(err)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, m := range [][]Member{
		{{Name: "../x"}}, {{Name: "a/b"}}, {{Name: ".hidden"}}, {{Name: ""}}, {{Name: "x"}, {Name: "x"}}, {{Name: SumsFile}},
		{{Name: "x", Path: t.TempDir()}}, {{Name: "x", Path: "nowhere"}},
	} {
		if _, err := Write(&bytes.Buffer{}, m); err == nil {
			t.Errorf("%+v: no error", m)
		}
	}
}

// pack is an archive of members that Write would not write.
func pack(t testing.TB, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range members {
		text := h.PAXRecords["ldlab.text"]
		h.PAXRecords = nil
		h.Size = int64(len(text))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func member(name, text string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, PAXRecords: map[string]string{"ldlab.text": text}}
}

// sumOfX is the sha256 of "x".
const sumOfX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

// TestHostile: no bundle writes outside of its directory, and what is not as listed is
// an error.
func TestHostile(t *testing.T) {
	sums := member(SumsFile, sumOfX+"  x\n")
	link := tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}
	for _, test := range []struct {
		name    string
		members []tar.Header
		want    string
	}{
		{"nothing", nil, "not a bundle"},
		{"no list", []tar.Header{member("x", "x")}, "first member"},
		{"a path", []tar.Header{member(SumsFile, sumOfX+"  ../x\n"), member("../x", "x")}, "bad line"},
		{"a list of itself", []tar.Header{member(SumsFile, sumOfX+"  SHA256SUMS\n")}, "bad line"},
		{"a name twice in the list", []tar.Header{member(SumsFile, sumOfX+"  x\n"+sumOfX+"  x\n")}, "bad line"},
		{"a short sum", []tar.Header{member(SumsFile, "2d71  x\n")}, "bad line"},
		{"not listed", []tar.Header{sums, member("y", "x")}, "not listed"},
		{"a path that is not listed", []tar.Header{sums, member("../../y", "x")}, "not listed"},
		{"twice", []tar.Header{sums, member("x", "x"), member("x", "x")}, "twice"},
		{"a link", []tar.Header{sums, link}, "no file"},
		{"another content", []tar.Header{sums, member("x", "y")}, "sum does not match"},
		{"missing", []tar.Header{sums}, "member x is missing"},
	} {
		dir, _, err := extract(t, pack(t, test.members...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if found, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*")); len(found) > 1 || len(found) == 1 && found[0] != dir {
			t.Errorf("%s: it wrote %q", test.name, found)
		}
	}
	if _, _, err := extract(t, pack(t, sums, member("x", "x"))); err != nil {
		t.Errorf("the same without a fault: %v", err)
	}
}

// TestBounds: a bundle that grows beyond all bounds when it is unpacked is an error.
func TestBounds(t *testing.T) {
	_, b, _ := sample(t)
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.max = 1000
	if err := r.Extract(filepath.Join(t.TempDir(), "out")); err == nil || !strings.Contains(err.Error(), "larger than 1000 bytes") {
		t.Error(err)
	}
}

// TestDamage cuts a bundle and flips bytes: it is never taken for the whole.
func TestDamage(t *testing.T) {
	_, b, digest := sample(t)
	for i := 0; i < len(b); i += 7 {
		if _, _, err := extract(t, b[:i]); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x10
		if _, got, err := extract(t, damaged); err == nil && got != digest {
			t.Fatalf("byte %d flipped: another bundle and no error", i)
		}
	}
}

func FuzzExtract(f *testing.F) {
	_, b, _ := sample(f)
	f.Add(b)
	f.Add(pack(f, member(SumsFile, sumOfX+"  x\n"), member("x", "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		defer r.Close()
		dir := filepath.Join(t.TempDir(), "out")
		if r.max = 1 << 20; r.Extract(dir) != nil {
			return
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !f.Type().IsRegular() {
				t.Fatalf("%s is no file", f.Name())
			}
		}
	})
}
