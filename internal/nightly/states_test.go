package nightly

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/findings"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
)

// TestStates: what became of claims, mutants and call sites is in the mail, by names that
// do not depend on where the compiler put a call. The files are what the types of the lab
// are as JSON.
func TestStates(t *testing.T) {
	site := func(name string) lockdown.Site {
		return lockdown.Site{Name: name, File: "a.c", Function: "f", Line: 1}
	}
	write := func(t *testing.T, dir, name string, value any) {
		t.Helper()
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, name, string(text))
	}
	night := func(t *testing.T, dir string, claim findings.Status, killed matrix.Status, reach matrix.Reach, offset string) {
		write(t, dir, "claims/findings.json", []findings.Outcome{{Finding: findings.Finding{ID: "kdb-read"}, Status: claim}, {Finding: findings.Finding{ID: "x" + offset}, Status: claim}})
		write(t, dir, "mutation/mutation.json", []matrix.Mutation{{Kernel: "bitmap", Arch: "x86_64", Mutants: []matrix.Mutant{
			{Kind: matrix.Allow, Site: "f+" + offset, Call: "a.c:f", Status: killed}, {Kind: matrix.Source, Site: "msr-late.patch", Status: matrix.Killed}}}})
		write(t, dir, "coverage/coverage.json", []matrix.Coverage{{Kernel: "bitmap", Arch: "x86_64", Sites: []matrix.Covered{
			{Site: site("f+" + offset), Reach: reach}, {Site: site("f+9"), Reach: matrix.SiteDenied}}}})
	}
	root := t.TempDir()
	for i, c := range []struct {
		claim  findings.Status
		killed matrix.Status
		reach  matrix.Reach
		offset string
		want   []string
	}{
		{findings.Reproduced, matrix.Killed, matrix.SiteDenied, "0x1", nil},
		{findings.Reproduced, matrix.Killed, matrix.SiteDenied, "0x1", nil},
		{findings.Refuted, matrix.Survived, matrix.NotReached, "0x2", []string{
			"Run claims\n  claim kdb-read: refuted, before reproduced\n  new: claim x0x2\n  gone: claim x0x1\n",
			"Run mutation\n  mutant bitmap x86_64: allow a.c:f: survived, before killed\n",
			"Run coverage\n  call site bitmap x86_64: a.c:f: "}},
	} {
		now := evening.AddDate(0, 0, i)
		dir := begin(t, root, now)
		night(t, dir, c.claim, c.killed, c.reach, c.offset)
		n := end(t, dir, now, Options{})
		if i > 0 && (n.Mail == "") != (len(c.want) == 0) {
			t.Errorf("night %d: %s", i, n.Mail)
		}
		for _, want := range c.want {
			if !strings.Contains(n.Mail, want) {
				t.Errorf("no %q in\n%s", want, n.Mail)
			}
		}
	}
	night3 := filepath.Join(root, "2026-11-30")
	index, err := os.ReadFile(filepath.Join(night3, PageFile))
	for run, view := range map[string]string{"claims": "findings", "mutation": "mutation", "coverage": "coverage"} {
		page, errPage := os.ReadFile(filepath.Join(night3, run, "report.html"))
		if link := `href="` + run + "/report.html#" + view + `"`; err != nil || errPage != nil || !strings.Contains(string(index), link) || !strings.Contains(string(page), `"`+view+`"`) {
			t.Errorf("%v %v: the page of the night has no %s, or that page no view", err, errPage, link)
		}
	}
	dir := begin(t, root, evening.AddDate(0, 0, 3))
	put(t, dir, "claims/findings.json", "{")
	if n := end(t, dir, evening.AddDate(0, 0, 3), Options{}); !strings.Contains(n.Mail, "Run claims") || n.Good() {
		t.Errorf("damaged: %s", n.Mail)
	}
}

// TestStaysDamaged: a run whose results are damaged stays so, if what the night before
// left of claims cannot be read, too.
func TestStaysDamaged(t *testing.T) {
	root := t.TempDir()
	night := func(days int, claims, more string) *Night {
		now := evening.AddDate(0, 0, days)
		dir := begin(t, root, now)
		run := filepath.Join(dir, "matrix")
		aRun(t, run, "stock", false, nil)
		text, err := os.ReadFile(filepath.Join(run, results.File))
		if err != nil {
			t.Fatal(err)
		}
		put(t, run, results.File, string(text)+more)
		put(t, run, "findings.json", claims)
		return end(t, dir, now, Options{})
	}
	const sound = `[{"ID": "a", "Status": "refuted", "Expect": "refuted"}]`
	if n := night(0, "[{}]", ""); n.Good() {
		t.Error("a claim without ID and status: the night is good")
	}
	if n := night(1, sound, ""); !n.Good() || !strings.Contains(n.Mail, "claim 1 has no ID or no status") {
		t.Errorf("only the night before is damaged: %s", n.Mail)
	}
	if _, err := claims([]byte("[{}]")); err == nil {
		t.Error("a claim without ID and status: no error")
	}
	put(t, filepath.Join(root, "2026-11-29", "matrix"), "findings.json", "[{}]")
	if n := night(2, sound, "x\n"); n.Good() {
		t.Errorf("damaged results: the night is good: %s", n.Mail)
	}
}
