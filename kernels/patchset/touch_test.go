package patchset

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/testutil"
)

// newFile is a diff that adds a file of a mode.
func newFile(name, mode string) string {
	return fmt.Sprintf("diff --git a/%s b/%[1]s\nnew file mode %s\nindex 0000000..1111111\n--- /dev/null\n+++ b/%[1]s\n@@ -0,0 +1 @@\n+x\n", name, mode)
}

// TestRefused: no patch changes what is not a regular file of the tree, and git refuses
// the same.
func TestRefused(t *testing.T) {
	git := testutil.RequireProgram(t, "git")
	move := func(verb, from, to string) string {
		return fmt.Sprintf("diff --git a/%s b/%s\nsimilarity index 100%%\n%s from %[1]s\n%[3]s to %[2]s\n", from, to, verb)
	}
	for name, c := range map[string]struct {
		patch, want string
		refused     bool
	}{
		"sound":                   {newFile("d/new", "100644"), "", false},
		"executable":              {newFile("d/new", "100755"), "", false},
		"behind a link":           {newFile("link/evil", "100644"), "link/evil is beyond a symbolic link: link", true},
		"deep behind a link":      {newFile("d/in/a/evil", "100644"), "d/in/a/evil is beyond a symbolic link: d/in", true},
		"a change behind a link":  {"--- a/link/f\n+++ b/link/f\n@@ -1 +1 @@\n-1\n+2\n", "beyond a symbolic link", true},
		"a removal behind a link": {"diff --git a/link/f b/link/f\ndeleted file mode 100644\n--- a/link/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n", "beyond a symbolic link", true},
		"moved behind a link":     {move("rename", "f", "link/evil"), "beyond a symbolic link", true},
		"a new link":              {newFile("lnk", "120000"), "lnk is a symbolic link", true},
		"a submodule":             {newFile("sub", "160000"), "sub is a submodule", true},
		"git's own":               {newFile(".git/hooks/pre-commit", "100644"), ".git/hooks/pre-commit is outside the source tree", true},
		"git's own, deeper":       {newFile("d/.Git/config", "100644"), "outside the source tree", true},
		"below a file":            {newFile("f/x", "100644"), "f is not a directory", false},
		"below a new file":        {newFile("n", "100644") + newFile("n/x", "100644"), "n is not a directory", false},
		"above a new file":        {newFile("n/x", "100644") + newFile("n", "100644"), "n is a directory", false},
		"in place of a directory": {newFile("d", "100644"), "d is not a regular file", false},
		"moved over another":      {move("rename", "f", "d/g"), "d/g exists already", false},
		"copied over another":     {move("copy", "f", "d/g"), "d/g exists already", false},
	} {
		outside := tree(t, map[string]string{"f": "1\n"})
		dir := tree(t, map[string]string{"f": "1\n", "d/g": "2\n"})
		for _, link := range []string{"link", "d/in"} {
			if err := os.Symlink(outside, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
		o, err := applyText(t, dir, c.patch)
		var refused *RefusedError
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || errors.As(err, &refused) != c.refused) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if f := o.files["d/new"]; c.want == "" && f.Mode != 0o644 && f.Mode != 0o755 {
			t.Errorf("%s: mode %o", name, f.Mode)
		}
		if name == "a new link" || name == "a submodule" { // git knows these
			continue
		}
		cmd := exec.Command(git, "apply", "-")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(c.patch)
		if out, gitErr := cmd.CombinedOutput(); (gitErr == nil) != (err == nil) {
			t.Errorf("%s: git answers %s, and Apply %v", name, out, err)
		}
	}
}
