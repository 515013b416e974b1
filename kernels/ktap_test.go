package kernels

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/internal/ktap"
	"github.com/ldlab/ldlab/internal/testutil"
)

// The kernel's own parser counts the same tests as the lab's, and finds something wrong
// in the same texts. The texts are ours, and those with which the kernel tests its parser.
func TestKTAPAgainstKernel(t *testing.T) {
	tree := upstreamTree(t)
	testutil.RequireProgram(t, "python3")
	tool := filepath.Join(tree, "tools/testing/kunit")
	head := "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n"
	texts := map[string]string{
		"all kinds":           head + "    1..3\n    ok 1 a\n    # b: EXPECTATION FAILED\n    not ok 2 b\n    ok 3 c # SKIP no file\nnot ok 1 s\n",
		"parameters":          head + "    1..2\n        KTAP version 1\n        # Subtest: p\n        ok 1 x\n        ok 2 y # SKIP\n    ok 1 p\n    ok 2 q\nok 1 s\n",
		"a log":               "[    0.1] boot\n" + strings.ReplaceAll(head+"    1..1\n    ok 1 a\nok 1 s\n", "\n", "\n[    0.2] noise\n"),
		"one of three suites": strings.Replace(head, "1..1", "1..3", 1) + "    1..1\n    ok 1 a\nok 1 s\n",
		"numbers with a gap":  head + "    ok 1 a\n    ok 3 c\nok 1 s\n",
		"a result of another": head + "    1..1\n    ok 1 a\nok 1 other\n",
	}
	own := slices.Collect(maps.Keys(texts))
	logs, err := filepath.Glob(filepath.Join(tool, "test_data", "*.log"))
	if err != nil || len(logs) < 20 {
		t.Fatalf("%d logs in %s, %v", len(logs), tool, err)
	}
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	for name, out := range runKUnitParser(t, tool, texts) {
		t.Run(name, func(t *testing.T) { compareKTAP(t, texts[name], out, slices.Contains(own, name)) })
	}
}

// runKUnitParser runs kunit.py parse over texts, in one process, because its start takes
// most of its time.
func runKUnitParser(t *testing.T, tool string, texts map[string]string) map[string]string {
	const program = `import sys
sys.path.insert(0, sys.argv[1])
import kunit
for name in sys.argv[2:]:
    print("=== " + name, flush=True)
    try:
        kunit.main(["parse", name])
    except SystemExit:
        pass
`
	dir := t.TempDir()
	args := []string{"-B", "-c", program, tool}
	for name, text := range texts {
		file := filepath.Join(dir, name)
		write(t, file, text)
		args = append(args, file)
	}
	cmd := exec.Command("python3", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	outs := map[string]string{}
	for _, part := range strings.Split(string(out), "=== "+dir+"/")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		outs[name] = text
	}
	if len(outs) != len(texts) {
		t.Fatalf("%d of %d texts were parsed: %s", len(outs), len(texts), out)
	}
	return outs
}

// compareKTAP compares what the lab reads in a text with what kunit.py printed of it. own
// is set if the text is the lab's.
func compareKTAP(t *testing.T, text, out string, own bool) {
	_, sum, ended := strings.Cut(out, "Testing complete. ")
	if !ended {
		t.Fatal(out)
	}
	tests, ok := ktap.Parse(text)
	n := ktap.Count(tests)
	compared := map[ktap.Status]string{ktap.Passed: "passed", ktap.Skipped: "skipped"}
	if own { // what failed in the kernel's own texts has another name in each parser: failed, crashed, an error
		compared[ktap.Failed] = "failed"
	}
	for status, word := range compared {
		got := regexp.MustCompile(word + `: (\d+)`).FindStringSubmatch(sum)
		if want := fmt.Sprint(n[status]); got == nil && n[status] > 0 || got != nil && got[1] != want {
			t.Errorf("the kernel's parser does not have %s: %s: %s", word, want, out)
		}
	}
	wrong := strings.Contains(sum, "failed: ") || strings.Contains(sum, "crashed: ") || strings.Contains(sum, "errors: ")
	if got := !ok || len(tests) == 0 || len(ktap.Bad(tests)) > 0; got != wrong {
		t.Errorf("wrong: %v, %q, want %v: %s", got, ktap.Bad(tests), wrong, out)
	}
}
