package patchset

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// series is a directory of two patches, which add a.c and b.c, with a series.toml
// and files below it, each of which adds the file of its name.
func series(toml string, below ...string) fstest.MapFS {
	fsys := fstest.MapFS{
		"series.toml":  {Data: []byte(toml)},
		"0001-a.patch": {Data: []byte(mailOf("[PATCH 1/2] one", "a", ""))},
		"0002-b.patch": {Data: []byte(mailOf("[PATCH 2/2] two", "b", ""))},
	}
	for _, name := range below {
		fsys[name] = &fstest.MapFile{Data: []byte(mailOf("[PATCH 7/9] another", strings.Trim(strings.ReplaceAll(name, "/", "-"), ".patch"), ""))}
	}
	return fsys
}

// row is a [[variant]].
func row(patch, versions, file string) string {
	return fmt.Sprintf("[[variant]]\npatch = %q\nversions = %q\nfile = %q\n", patch, versions, file)
}

// The first variant that is for a version takes the patch's place; without a
// file, the patch is left out.
func TestVariants(t *testing.T) {
	s, err := ReadDir(series("versions = \">= 6.1\"\n"+
		row("0002-b.patch", ">= 7.0", "7/b.patch")+
		row("0002-b.patch", ">= 6.18", "6/b.patch")+ // also for 7.0, where it is too late
		row("0001-a.patch", ">= 6.12.50, < 6.13", ""),
		"7/b.patch", "6/b.patch"), "d")
	if err != nil {
		t.Fatal(err)
	}
	if !s.Varies() {
		t.Error("it has no variants")
	}
	digests := map[string]string{}
	for version, want := range map[string]string{
		"6.1": "a b", "6.12.49": "a b", "6.12.50": "b", "6.13": "a b", "6.18.2": "a 6-b", "7.0": "a 7-b", "7.3.4": "a 7-b", "what": "a b",
	} {
		at := s.At(version)
		if files(at) != want || at.Varies() {
			t.Errorf("at %s it is %q; want %q", version, files(at), want)
		}
		if other, ok := digests[at.SHA256()]; ok && other != want {
			t.Errorf("%q and %q have one digest", want, other)
		}
		digests[at.SHA256()] = want
		if again := at.At("6.18"); files(again) != want {
			t.Errorf("what is for %s is another for another version: %q", version, files(again))
		}
	}
	if len(digests) != 4 || digests[s.SHA256()] != "" {
		t.Errorf("digests: %v", digests)
	}
}

// The digest of the whole series has every file and every range in it.
func TestVariantDigest(t *testing.T) {
	seen := map[string]string{}
	for _, toml := range []string{
		"", row("0002-b.patch", ">= 7.0", "7/b.patch"), row("0002-b.patch", ">= 7.1", "7/b.patch"), row("0001-a.patch", ">= 7.0", "7/b.patch"),
		row("0001-a.patch", ">= 7.0", ""), row("0001-a.patch", ">= 7.0", "") + row("0002-b.patch", ">= 7.0", "7/b.patch"),
	} {
		fsys := series(toml)
		if strings.Contains(toml, "7/b") {
			fsys = series(toml, "7/b.patch")
		}
		s, err := ReadDir(fsys, "d")
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[s.SHA256()]; ok {
			t.Errorf("%q and %q have one digest", toml, other)
		}
		seen[s.SHA256()] = toml
	}
}

// A cover letter is no patch, even if it has a patch's name and a diff.
func TestCover(t *testing.T) {
	fsys := series("cover = \"0000-cover.patch\"\n")
	fsys["0000-cover.patch"] = &fstest.MapFile{Data: []byte("hello\n")}
	if s, err := ReadDir(fsys, "d"); err != nil || files(s) != "a b" {
		t.Errorf("%q, %v", files(s), err)
	}
}

func TestVariantsRefused(t *testing.T) {
	versions := "versions = \">= 6.1, < 7\"\n"
	for name, c := range map[string]struct {
		fsys fstest.MapFS
		want string
	}{
		"no such patch":      {series(row("0003-c.patch", ">= 6", "6/a.patch"), "6/a.patch"), `variant of "0003-c.patch": the series has no such patch`},
		"no such file":       {series(row("0001-a.patch", ">= 6", "6/a.patch")), "variant of 0001-a.patch: open 6/a.patch: file does not exist"},
		"a file above":       {series(row("0001-a.patch", ">= 6", "../a.patch")), `"../a.patch" is not a *.patch file in a directory below`},
		"a file beside":      {series(row("0001-a.patch", ">= 6", "0002-b.patch")), `"0002-b.patch" is not a *.patch file in a directory below`},
		"no versions":        {series(row("0001-a.patch", "", "6/a.patch"), "6/a.patch"), "variant of 0001-a.patch: it has no versions"},
		"versions of none":   {series(row("0001-a.patch", "6.12", "6/a.patch"), "6/a.patch"), `"6.12" has no operator`},
		"an unknown key":     {series("[[variant]]\nfiel = \"x\"\n"), "series.toml: line 2: unknown key variant.fiel"},
		"two patches":        {series(row("0001-a.patch", ">= 6", "6/a.patch")), "6/a.patch has 2 patches, not one"},
		"no change":          {series(row("0001-a.patch", ">= 6", "6/a.patch")), "parse patch 6/a.patch: no change in it"},
		"left over":          {series(versions, "6/a.patch"), "series.toml: 6/a.patch is never used: no variant names it"},
		"left over, another": {series(row("0001-a.patch", ">= 7", "7/a.patch"), "7/a.patch", "6/a.patch"), "6/a.patch is never used"},
		"hidden by one": {series(versions+row("0001-a.patch", ">= 6.12", "6/a.patch")+row("0001-a.patch", ">= 6.18", "7/a.patch"), "6/a.patch", "7/a.patch"),
			"variant of 0001-a.patch for >= 6.18 is never used"},
		"hidden by two": {series(row("0001-a.patch", ">= 6.12", "")+row("0001-a.patch", "< 6.12", "")+row("0001-a.patch", "= 6.1", "7/a.patch"), "7/a.patch"),
			"variant of 0001-a.patch for = 6.1 is never used"},
		"other versions":     {series(versions+row("0001-a.patch", ">= 7", "7/a.patch"), "7/a.patch"), "variant of 0001-a.patch for >= 7 is never used"},
		"an empty range":     {series(row("0001-a.patch", "> 7, < 7", "7/a.patch"), "7/a.patch"), "variant of 0001-a.patch for > 7, < 7 is never used"},
		"a patch never used": {series(versions+row("0001-a.patch", "< 6.12", "")+row("0001-a.patch", ">= 6.12", "7/a.patch"), "7/a.patch"), "0001-a.patch is never used: its variants leave it no version"},
		"no cover letter":    {series("cover = \"cover.txt\"\n"), "series.toml: cover: open cover.txt: file does not exist"},
	} {
		switch name {
		case "two patches":
			c.fsys["6/a.patch"] = &fstest.MapFile{Data: []byte(mailOf("[PATCH 1/2] one", "a", "") + mailOf("[PATCH 2/2] two", "b", ""))}
		case "no change":
			c.fsys["6/a.patch"] = &fstest.MapFile{Data: []byte("hello\n")}
		}
		s, err := ReadDir(c.fsys, "d")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, %v; want %s", name, files(s), err, c.want)
		}
	}
}

// Variants for neighbouring ranges, or of which one has a version more than the
// other, are all used.
func TestVariantsTaken(t *testing.T) {
	for _, toml := range []string{
		row("0001-a.patch", "< 6.12", "6/a.patch") + row("0001-a.patch", "> 6.12", "7/a.patch"),
		row("0001-a.patch", "= 6.12", "6/a.patch") + row("0001-a.patch", ">= 6.12", "7/a.patch"),
		row("0001-a.patch", "> 6.12", "6/a.patch") + row("0001-a.patch", ">= 6.12", "7/a.patch"),
		row("0001-a.patch", ">= 6.18", "6/a.patch") + row("0002-b.patch", ">= 6.18", "7/a.patch"),
	} {
		if _, err := ReadDir(series(toml, "6/a.patch", "7/a.patch"), "d"); err != nil {
			t.Errorf("%s: %v", toml, err)
		}
	}
}

// FuzzSeries reads anything as a series.toml. What is taken uses each of its
// files at some version, and at any version applies files of the directory, one
// for each patch that is not left out, in their order.
func FuzzSeries(f *testing.F) {
	for _, seed := range []string{
		"", "versions = \">= 6.1\"\n", row("0001-a.patch", ">= 6.18", "x/a.patch") + row("0002-b.patch", "< 7", "x/b.patch"),
		row("0001-a.patch", ">= 6.18", "x/a.patch") + row("0001-a.patch", ">= 6.12", "x/b.patch") + row("0002-b.patch", "> 6.12", ""),
		row("0001-a.patch", ">= 6.18", ""), "cover = \"cover.txt\"\n", "[[variant]]\n", row("0001-a.patch", "= 1", "x/a.patch"),
	} {
		f.Add([]byte(seed), "6.12.117")
		f.Add([]byte(seed), "7.3-rc1")
	}
	f.Fuzz(func(t *testing.T, toml []byte, version string) {
		fsys := series(string(toml), "x/a.patch", "x/b.patch")
		s, err := ReadDir(fsys, "d")
		if err != nil {
			if strict.Printable(err.Error()) != err.Error() {
				t.Errorf("an error that is not fit for a terminal: %q", err)
			}
			return
		}
		used := map[string]bool{}
		for _, v := range s.variants {
			for _, at := range v {
				if at.patch != nil {
					used[at.patch.Name] = true
				}
			}
		}
		if n, err := fs.Glob(fsys, "x/*.patch"); err != nil || len(used) != len(n) {
			t.Errorf("of %s, %v are used", n, used)
		}
		at := s.At(version)
		if len(at.Patches) > len(s.Patches) {
			t.Errorf("%d patches of %d", len(at.Patches), len(s.Patches))
		}
		next := 0
		for _, p := range at.Patches {
			for next < len(s.Patches) && !s.replaces(next, p) {
				next++
			}
			if next++; next > len(s.Patches) {
				t.Errorf("%s is out of order", p.Name)
			}
		}
	})
}

// replaces reports whether a patch is the ith of the series, or a variant of it.
func (s Series) replaces(i int, p Patch) bool {
	for _, v := range s.variants[s.Patches[i].Name] {
		if v.patch != nil && v.patch.Name == p.Name {
			return true
		}
	}
	return s.Patches[i].Name == p.Name
}
