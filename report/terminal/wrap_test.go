package terminal

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/matrix"
)

// TestBrokenCommandsRun gives broken commands to a shell, which must see the same words.
func TestBrokenCommandsRun(t *testing.T) {
	for _, text := range []string{
		`ldlab run --kernel bitmap --arch x86_64 --setting integrity@runtime --probe kexec/load`,
		`qemu -append 'console=ttyS0 lockdown=integrity and a very long text without any place to break' -m 512`,
		`qemu -append 'it'"'"'s a text with an apostrophe, and then'"'"' another one' x`,
		`a "in double quotes  two  blanks \" and an escape" b\ c d`,
		`--x ` + strings.Repeat("y", 90) + ` ''`,
		`w '日本語日本語日本語日本語日本語日本語' é`,
		strings.Repeat(`\a`, 40),
	} {
		want := shellWords(t, text)
		for limit := 12; limit < 100; limit += 3 {
			lines := wrapCommand(text, limit-4, limit)
			if got := shellWords(t, strings.Join(lines, "\n")); got != want {
				t.Fatalf("%d columns: %q is %q, want %q", limit, lines, got, want)
			}
			for i, line := range lines {
				if n := width(line); n > limit || i == 0 && n > limit-4 {
					t.Errorf("%d columns: %q has %d", limit, line, n)
				}
			}
		}
	}
}

func shellWords(t *testing.T, text string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `printf '<%s>' `+text).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", text, err, out)
	}
	return string(out)
}

func TestAbbreviated(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"short", 5, "short"}, {"longer", 5, "lo…er"}, {"abcdefghij", 4, "ab…j"}, {"日本語日本語", 6, "日…語"}, {"e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301…e\u0301"},
	} {
		got := abbreviated(c.text, c.columns)
		if got != c.want || width(got) > c.columns {
			t.Errorf("abbreviated(%q, %d) = %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func TestEveryVerdictHasAStyle(t *testing.T) {
	for _, v := range matrix.Verdicts() {
		if _, ok := styles[v]; !ok {
			t.Errorf("%s has none", v)
		}
	}
}
