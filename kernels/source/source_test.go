package source

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	for _, text := range []string{
		"apt:linux-source-6.12", "dir:/src/linux", "git:/src/linux@v6.12", "git:/src/a@b@HEAD~1",
		"tarball:/x.tar.xz#sha256=" + hash, "tarball:https://example.org/x.tar.gz#sha256=" + hash,
	} {
		s, err := Parse(text)
		if err != nil || s.String() != text {
			t.Errorf("%s came back as %s, %v", text, s, err)
		}
	}
	for _, bad := range []string{
		"", "linux", "apt:", "apt:-o", "dir:", "git:/src/linux", "git:/src@", "git:@HEAD", "git:/src@--output=x",
		"tarball:/x.tar.xz", "tarball:/x.tar.xz#sha256=12", "tarball:#sha256=" + hash, "svn:/x",
	} {
		if s, err := Parse(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, s)
		}
	}
}
