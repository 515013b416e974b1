package kernels

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/internal/testutil"
)

// The kernel's own parser counts the same tests as the lab's.
func TestKTAPAgainstKernel(t *testing.T) {
	tree := upstreamTree(t)
	testutil.RequireProgram(t, "python3")
	head := "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n"
	for name, text := range map[string]string{
		"all kinds":  head + "    1..3\n    ok 1 a\n    # b: EXPECTATION FAILED\n    not ok 2 b\n    ok 3 c # SKIP no file\nnot ok 1 s\n",
		"parameters": head + "    1..2\n        KTAP version 1\n        # Subtest: p\n        ok 1 x\n        ok 2 y # SKIP\n    ok 1 p\n    ok 2 q\nok 1 s\n",
		"a log":      "[    0.1] boot\n" + strings.ReplaceAll(head+"    1..1\n    ok 1 a\nok 1 s\n", "\n", "\n[    0.2] noise\n"),
	} {
		file := filepath.Join(t.TempDir(), "log")
		write(t, file, text)
		cmd := exec.Command("python3", filepath.Join(tree, "tools/testing/kunit/kunit.py"), "parse", file)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "Testing complete") {
			t.Errorf("%s: %v: %s", name, err, out)
			continue
		}
		tests, _ := ktap.Parse(text)
		n := ktap.Count(tests)
		for status, word := range map[ktap.Status]string{ktap.Passed: "passed", ktap.Failed: "failed", ktap.Skipped: "skipped"} {
			want := fmt.Sprintf("%s: %d", word, n[status])
			if has := strings.Contains(string(out), want); n[status] > 0 && !has || n[status] == 0 && strings.Contains(string(out), word+": ") {
				t.Errorf("%s: the kernel's parser does not have %q: %s", name, want, out)
			}
		}
	}
}
