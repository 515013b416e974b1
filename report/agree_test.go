package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// say writes a view by its name.
func say(t *testing.T, name string, m Measurement) string {
	t.Helper()
	v, ok := Find(name)
	if !ok {
		t.Fatalf("no view %s", name)
	}
	return string(write(t, v, m))
}

// A sarifDoc and a kcidbDoc have the parts of the formats that tests look at.
type sarifDoc struct {
	Runs []struct {
		Tool struct {
			Driver struct {
				Rules []struct {
					ID    string
					Short struct{ Text string } `json:"shortDescription"`
				}
			}
		}
		Invocations []struct {
			Successful    bool `json:"executionSuccessful"`
			Notifications []struct {
				Level   string
				Message struct{ Text string }
			} `json:"toolExecutionNotifications"`
		}
		Results []struct {
			Rule    string `json:"ruleId"`
			Kind    string
			Level   string
			Message struct{ Text string }
		}
	}
}

type kcidbDoc struct {
	Tests []struct {
		Path, Status, Comment string
		Log                   string `json:"log_excerpt"`
		Misc                  map[string]string
	}
}

func parsed[T any](t *testing.T, view string, m Measurement) (doc T) {
	t.Helper()
	if err := json.Unmarshal([]byte(say(t, view, m)), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// status is that of the tests of KCIDB with a path.
func status(t *testing.T, m Measurement, path string) string {
	t.Helper()
	var list []string
	for _, test := range parsed[kcidbDoc](t, "kcidb", m).Tests {
		if test.Path == path {
			list = append(list, test.Status)
		}
	}
	return strings.Join(list, " ")
}

// sound is a measurement in which all is as expected: one column with two cells.
func sound(t *testing.T, verdicts ...matrix.Verdict) Measurement {
	m := measurement(t)
	table := &m.Matrix.Tables[0]
	m.Matrix.Issues = nil
	table.Columns, table.Rows = table.Columns[:1], table.Rows[:len(verdicts)]
	for i, v := range verdicts {
		table.Rows[i].Cells = []matrix.Cell{{Judgment: matrix.Judgment{Verdict: v}}}
	}
	return Measurement{Matrix: m.Matrix}
}

// TestNothingMeasuredIsNotGreen: a run in which all is skipped is no success in the
// formats that machines read.
func TestNothingMeasuredIsNotGreen(t *testing.T) {
	for _, c := range []struct {
		m          Measurement
		successful bool
		status     string
	}{{sound(t, matrix.Open, matrix.Unavailable), true, "PASS"}, {sound(t, matrix.Unavailable, matrix.Unavailable), false, "ERROR"}} {
		invocation := parsed[sarifDoc](t, "sarif", c.m).Runs[0].Invocations[0]
		grave := false
		for _, n := range invocation.Notifications {
			grave = grave || n.Level == "error" && strings.HasPrefix(n.Message.Text, "nothing was measured")
		}
		if invocation.Successful != c.successful || grave == c.successful {
			t.Errorf("SARIF: %+v, want success: %v", invocation, c.successful)
		}
		if got := status(t, c.m, "lockdown.measured"); got != c.status {
			t.Errorf("KCIDB: lockdown.measured is %q, want %s", got, c.status)
		}
	}
	m := sound(t, matrix.Open)
	m.Matrix.Tables[0].Columns[0].Splats = []string{"BUG"}
	if got := status(t, m, "lockdown.measured"); got != "FAIL" {
		t.Errorf("KCIDB of a kernel with a bug: %q", got)
	}
}

// TestMeanings: every verdict has a meaning, which SARIF has, too, and which is true
// for every rule that gives it.
func TestMeanings(t *testing.T) {
	for _, v := range matrix.Verdicts() {
		if words.Meaning[v] == "" {
			t.Errorf("%s has no meaning", v)
		}
	}
	rules := parsed[sarifDoc](t, "sarif", measurement(t)).Runs[0].Tool.Driver.Rules
	for _, r := range rules {
		if v := matrix.Verdict(strings.ReplaceAll(r.ID, "not-", "not ")); r.Short.Text != words.Meaning[v] && r.Short.Text != words.Meaning[matrix.Verdict(strings.ToUpper(r.ID))] {
			t.Errorf("SARIF says of %s %q", r.ID, r.Short.Text)
		}
	}
	if got := words.Meaning[matrix.Unproven]; strings.Contains(got, "nothing locked") { // lab-failed, left-behind and others have another cause
		t.Errorf("unproven: %s", got)
	}
	if got := words.Meaning[matrix.NotLocked]; !strings.Contains(got, "nothing was denied") { // nothing-denied
		t.Errorf("not locked: %s", got)
	}
}

// TestLeakOrGapIsAFailure: what may be a leak is shown as one, however the guest ended.
func TestLeakOrGapIsAFailure(t *testing.T) {
	if !slices.ContainsFunc(matrix.Rules(), func(r matrix.Rule) bool { return r.Name == words.LeakOrGap && r.Verdict == matrix.Unproven }) {
		t.Fatalf("the matrix has no rule %s", words.LeakOrGap)
	}
	for _, v := range []matrix.Verdict{matrix.Unproven, matrix.Leak, matrix.Overblocked} {
		m := sound(t, matrix.Lost, v)
		m.Matrix.Tables[0].Columns[0].End = matrix.End{Ending: matrix.FailedByLab}
		m.Matrix.Tables[0].Rows[1].Cells[0].Rule = words.LeakOrGap
		probe := m.Matrix.Tables[0].Rows[1].Probe
		if got := status(t, m, "lockdown.none."+strings.ReplaceAll(probe, "/", ".")); got != "FAIL" {
			t.Errorf("%s in KCIDB: %q", v, got)
		}
		result := parsed[sarifDoc](t, "sarif", m).Runs[0].Results[1]
		if result.Kind != "fail" || result.Level != "error" {
			t.Errorf("%s in SARIF: %+v", v, result)
		}
		if got := say(t, "junit", m); !strings.Contains(got, `<failure message="`+string(v)) {
			t.Errorf("%s in JUnit: %s", v, got)
		}
	}
	m := sound(t, matrix.Overblocked, matrix.Unproven)
	m.Matrix.Tables[0].Rows[1].Cells[0].Rule = words.LeakOrGap
	if got := say(t, "github", m); !strings.HasPrefix(got, "::error title=unproven") {
		t.Errorf("not first: %s", got)
	}
}

// TestLostAfterLastProbe: every format reports a guest that was lost after all its probes
// had answered, and none is green.
func TestLostAfterLastProbe(t *testing.T) {
	m := sound(t, matrix.Open, matrix.Open)
	if got := say(t, "github-summary", m); !strings.HasPrefix(got, "## Lockdown: as expected") {
		t.Fatalf("before: %s", got)
	}
	m.Matrix.Tables[0].Columns[0].End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Oops", Console: []string{"last words"}}
	for name, want := range map[string]string{
		"github": "::error title=lost after the last probe::bitmap x86_64 none: panic: Oops", "github-summary": "## Lockdown: **not as expected**",
		"ktap": "\n  not ok 1 none", "junit": `<error message="lost: panic`, "text": "lost after the last probe: bitmap x86_64 none", "markdown": "lost after the last probe",
		"html": `"AsExpected":false`, "sarif": "lost after the last probe",
	} {
		if got := say(t, name, m); !strings.Contains(got, want) {
			t.Errorf("%s does not have %q", name, want)
		}
	}
	if got := say(t, "html", m); !strings.Contains(got, "lost after the last probe") {
		t.Error("the page has no note")
	}
	if got := say(t, "junit", m); !strings.Contains(got, "last words") {
		t.Error("JUnit has no console")
	}
	if got := status(t, m, "lockdown.none.guest"); got != "ERROR" {
		t.Errorf("KCIDB: %q", got)
	}
}

// TestGraveAnnotationsAreFirst: what is wrong with a whole run is not behind many
// cells, and is there once.
func TestGraveAnnotationsAreFirst(t *testing.T) {
	m := measurement(t)
	m.Matrix.Issues = nil
	table := &m.Matrix.Tables[0]
	for i := range 12 {
		row := table.Rows[1]
		row.Cells = slices.Clone(row.Cells)
		row.Cells[1].Why = fmt.Sprintf("leak %d", i)
		table.Rows = append(table.Rows, row)
	}
	table.Columns[0].Splats = []string{"BUG: here"}
	table.Columns[3].End = matrix.End{Ending: matrix.FailedByLab, Detail: "no memory"}
	got := say(t, "github", m)
	lines := strings.Split(got, "\n")
	if !strings.HasPrefix(lines[0], "::error title=the kernel reported a bug of its own::") || !strings.HasPrefix(lines[1], "::error title=the lab failed::") || !strings.HasPrefix(lines[2], "::error title=LEAK") {
		t.Errorf("first: %q", lines[:3])
	}
	if n := strings.Count(got, "BUG: here"); n != 1 {
		t.Errorf("the bug is there %d times", n)
	}
	if strings.Contains(got, "bug report") || strings.Count(got, "no memory") != 1 {
		t.Errorf("warnings repeat errors: %s", got)
	}
}

// TestSitesAreOfEachKernel: the page has each kernel's own call sites.
func TestSitesAreOfEachKernel(t *testing.T) {
	from, to := "6.1.1", "7.3.1"
	i := slices.IndexFunc(scenarios.Rows(), func(r scenarios.Row) bool { return r.SiteIn(from) != r.SiteIn(to) })
	if i < 0 {
		t.Fatal("no call site moved")
	}
	row := scenarios.Rows()[i]
	m := sound(t, matrix.Open)
	m.Matrix.Tables = append(m.Matrix.Tables, m.Matrix.Tables[0])
	for i, version := range []string{from, to} {
		table := &m.Matrix.Tables[i]
		table.Origin.BaseVersion = version
		table.Rows = slices.Clone(table.Rows)
		table.Rows[0].Probe = row.ID
	}
	var doc struct {
		Tables  []struct{ Sites []int }
		Strings []string
	}
	v, _ := Find("html")
	if err := json.Unmarshal(pageData(t, write(t, v, m)), &doc); err != nil || len(doc.Tables) != 2 {
		t.Fatal(err)
	}
	for i, version := range []string{from, to} {
		if len(doc.Tables[i].Sites) != 1 || doc.Strings[doc.Tables[i].Sites[0]] != row.SiteIn(version) {
			t.Errorf("%s: sites %v, want %s", version, doc.Tables[i].Sites, row.SiteIn(version))
		}
	}
}

// TestExcerptsAreBounded: of a long log the end is kept, in characters.
func TestExcerptsAreBounded(t *testing.T) {
	m := sound(t, matrix.Open)
	long := strings.Repeat("é", 20000)
	m.Matrix.Tables[0].Columns[0].End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Console: []string{long, "the end"}}
	m.Matrix.Tables[0].Rows[0].Cells[0].Observed = &scenarios.Observation{Log: []string{long, "the end"}}
	checkSchema(t, "formats/testdata/kcidb.schema.json", "kcidb", m)
	n := 0
	for _, test := range parsed[kcidbDoc](t, "kcidb", m).Tests {
		if strings.HasSuffix(test.Log, "é\nthe end") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d logs keep their ends", n)
	}
}

// TestKnownIsNeverGreen: each format shows a known issue as such, with its reason, and
// not as a failure that is new, and a run with nothing else is as expected. One that is
// gone is a failure in each.
func TestKnownIsNeverGreen(t *testing.T) {
	m := sound(t, matrix.Open, matrix.Known)
	m.Matrix.Issues = handMadeIssues()[:1]
	m.Matrix.Issues[0].Reason = "a reason"
	cell := &m.Matrix.Tables[0].Rows[1].Cells[0]
	cell.Of, cell.Issue, cell.Why = matrix.Leak, 1, "LEAK: it was done"
	probe := m.Matrix.Tables[0].Rows[1].Probe
	for name, want := range map[string]string{
		"text": "KNOWN", "markdown": "**known**", "html": `"AsExpected":true,"Measured":true,"Known":1`, "json": `"Of": "LEAK"`, "junit": `<skipped message="known: LEAK`,
		"ktap": "ok 2 " + probe + " # SKIP known: LEAK", "github": "::warning title=ldlab::known issue: ", "github-summary": "as expected, but for 1 cell that is known",
		"sarif": `"justification": "known until 2026-12-31: a reason`, "kcidb": `"present": true`, "kernels": "0 of 2 cells, and 1 known",
	} {
		got := say(t, name, m)
		if !strings.Contains(got, want) || !strings.Contains(got, "a reason") {
			t.Errorf("%s does not have %q, or no reason", name, want)
		}
		if name != "json" && (strings.Contains(got, "not as expected:") || strings.Contains(got, "Not as expected\n")) {
			t.Errorf("%s lists it as not as expected", name)
		}
	}
	if got := status(t, m, "lockdown.none."+strings.ReplaceAll(probe, "/", ".")); got != "FAIL" {
		t.Errorf("KCIDB, which has incidents for that: %s", got)
	}
	m.Matrix.Issues[0].State, cell.Verdict, cell.Of, cell.Issue = matrix.IssueGone, matrix.Enforced, "", 0
	for name, want := range map[string]string{
		"text": "", "markdown": "", "kernels": "", "html": `"AsExpected":false`, "json": `"AsExpected": false`, "junit": `<failure message="a known issue`, "ktap": "not ok 1 measured",
		"github": "::error title=a known issue does not happen any more::", "github-summary": "**not as expected**", "sarif": `"level": "error"`,
	} {
		note := "a known issue does not happen any more"
		if name == "json" {
			note = `"State": "does not happen"`
		}
		if got := say(t, name, m); !strings.Contains(got, want) || !strings.Contains(got, note) {
			t.Errorf("gone: %s does not have %q", name, want)
		}
	}
	if got := status(t, m, "lockdown.measured"); got != "ERROR" {
		t.Errorf("KCIDB of a list that is wrong: %s", got)
	}
}

// TestFlakyIsAFailure: a flaky cell is a failure in each format, with both verdicts. If
// it was unproven at times, nothing follows about the kernel.
func TestFlakyIsAFailure(t *testing.T) {
	for of, want := range map[matrix.Verdict]string{matrix.Leak: "FAIL", matrix.Unproven: "ERROR"} {
		m := sound(t, matrix.Open, matrix.Flaky)
		cell := &m.Matrix.Tables[0].Rows[1].Cells[0]
		cell.Of, cell.Why = of, string(of)+", then enforced"
		probe := m.Matrix.Tables[0].Rows[1].Probe
		if got := status(t, m, "lockdown.none."+strings.ReplaceAll(probe, "/", ".")); got != want {
			t.Errorf("KCIDB of a flaky %s: %s, want %s", of, got, want)
		}
		for name, want := range map[string]string{
			"text": "FLAKY", "markdown": "**flaky**", "kernels": "1 of 2 cells", "html": `"AsExpected":false`, "json": `"AsExpected": false`, "junit": `<failure message="flaky: `, "ktap": "not ok 2 " + probe,
			"github": "::error title=flaky%3A ", "github-summary": "**not as expected**", "sarif": `"ruleId": "flaky"`, "kcidb": `"verdict": "flaky"`,
		} {
			if got := say(t, name, m); !strings.Contains(got, want) || !strings.Contains(got, cell.Why) {
				t.Errorf("flaky %s: %s does not have %q, or not both verdicts", of, name, want)
			}
		}
	}
}
