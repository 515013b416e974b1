package formats

import (
	"fmt"
	"strings"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// The parts of SARIF 2.1.0 that a matrix fills in (OASIS, sarif-v2.1.0).
type sarif struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	URI     string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string    `json:"id"`
	Short sarifText `json:"shortDescription"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	Rule         string             `json:"ruleId"`
	Index        int                `json:"ruleIndex"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

// A sarifSuppression is a known issue.
type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region struct {
		Line int `json:"startLine"`
	} `json:"region"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// sarifRules are the verdicts that no sound kernel gets.
var sarifRules = []struct {
	verdict matrix.Verdict
	id      string
}{
	{matrix.Leak, "leak"},
	{matrix.Overblocked, "overblocked"},
	{matrix.Deviates, "deviates"},
	{matrix.NotLocked, "not-locked"},
	{matrix.Flaky, "flaky"},
	{matrix.Unattributed, "unattributed"},
	{matrix.Unproven, "unproven"},
	{matrix.Lost, "lost"},
	{matrix.NotRun, "not-run"},
}

// SARIF writes the cells of a matrix that are not as expected, for services that
// show findings beside the source. A result's place is the call site that the
// probe names; a site has no line, because it is found by its function. A known issue
// is suppressed, and not left out.
func SARIF(b *strings.Builder, m *matrix.Matrix) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "ldlab", Version: words.Clean(m.Header.Lab), URI: "https://github.com/ldlab/ldlab", Rules: []sarifRule{}}}, Results: []sarifResult{}}
	for _, r := range sarifRules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.id, sarifText{words.Meaning[r.verdict]}})
	}
	invocation := sarifInvocation{Successful: m.Measured() && len(m.Errors()) == 0, Notifications: []sarifNotification{}}
	for _, n := range clean(words.Grave(m)) {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"error", sarifText{n}})
	}
	for _, n := range append(clean(words.Mild(m)), guestNotes(m)...) {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"warning", sarifText{n}})
	}
	for _, a := range absences(m) {
		invocation.Notifications = append(invocation.Notifications, sarifNotification{"note", sarifText{"unavailable: " + a}})
	}
	run.Invocations = []sarifInvocation{invocation}
	for _, t := range m.Tables {
		for i, c := range t.Columns {
			for _, r := range t.Rows {
				if !r.Cells[i].Verdict.Expected() {
					result := sarifCell(t, c, r, unknown(r.Cells[i]))
					if n := r.Cells[i].Issue; n > 0 && n <= len(m.Issues) {
						issue := m.Issues[n-1]
						result.Suppressions = []sarifSuppression{{"external", "accepted", words.Clean(fmt.Sprintf("known until %s: %s, %s", issue.Until, issue.Reason, issue.Link))}}
					}
					run.Results = append(run.Results, result)
				}
			}
		}
	}
	return words.WriteJSON(b, sarif{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", "2.1.0", []sarifRun{run}})
}

func sarifCell(t matrix.Table, c matrix.Column, r matrix.TableRow, cell matrix.Cell) sarifResult {
	index := 0
	for i, rule := range sarifRules {
		if rule.verdict == cell.Verdict {
			index = i
		}
	}
	result := sarifResult{Rule: sarifRules[index].id, Index: index, Kind: "fail", Level: "error",
		Message:      sarifText{words.Clean(guestName(t, c)+" "+r.Probe) + ": " + message(cell)},
		Locations:    []sarifLocation{sarifPlace(t, r)},
		Fingerprints: map[string]string{"ldlab/v1": kcidbID(guestName(t, c), r.Probe, string(cell.Verdict))}}
	if statusOf(c, cell) != fail {
		result.Kind, result.Level = "review", "none" // the lab's fault, or nobody's: no statement about the kernel
	}
	return result
}

// sarifPlace is the call site of a probe in the kernel's source, from the lab's own
// table: nothing of it comes from a guest.
func sarifPlace(t matrix.Table, r matrix.TableRow) (l sarifLocation) {
	l.Physical.Artifact.URI, l.Physical.Region.Line = "security/lockdown/lockdown.c", 1
	row, ok := scenarios.Find(r.Probe)
	if !ok {
		return l
	}
	file, function, ok := strings.Cut(row.SiteIn(t.Origin.BaseVersion), ":")
	if !ok {
		return l
	}
	l.Physical.Artifact.URI = file
	l.Logical = []sarifLogical{{function, "function"}}
	return l
}
