package report

import (
	"strings"
	"testing"

	"github.com/ldlab/ldlab/findings"
)

// handMadeFindings has every status, a finding that is not as recorded, and text that
// a terminal or Markdown would interpret.
func handMadeFindings() []findings.Outcome {
	of := func(kind findings.Kind, id string, got, recorded findings.Status, why string) findings.Outcome {
		return findings.Outcome{
			Finding: findings.Finding{ID: id, Kind: kind, Claim: "It *says* so.", Source: []string{"https://example.org/1", "commit 0123"}, Kernel: "stock", Arches: []string{"x86_64"}, Setting: "none", Expect: recorded},
			Status:  got, Why: why,
		}
	}
	list := []findings.Outcome{
		of(findings.Review, "right", findings.Reproduced, findings.Reproduced, "none: read(\"/x\") = \"a|b\\n\""),
		of(findings.Review, "wrong", findings.Refuted, findings.Refuted, "none: open(\"/x\") = ok; claimed: EPERM"),
		of(findings.Report, "changed", findings.Refuted, findings.Reproduced, "none: \x1b[31m<b>"),
		of(findings.Report, "lost", findings.Undecided, findings.Reproduced, "the guest was lost"),
		of(findings.Gap, "far", findings.NotApplicable, findings.NotApplicable, "no such machine"),
	}
	list[0].Note = "A note."
	list[0].On = []findings.Result{{Kernel: "stock", Arch: "x86_64", Status: findings.Reproduced, Why: list[0].Why, Steps: []findings.Observed{{Setting: "none", Text: "read"}}}}
	return list
}

// TestFindingsRecorded: what is not as recorded is marked in each view for people.
func TestFindingsRecorded(t *testing.T) {
	for view, want := range map[string]string{"findings": "! refuted ", "findings-markdown": "refuted (recorded: reproduced)"} {
		var b strings.Builder
		if err := Write(&b, view, Measurement{Findings: handMadeFindings()}); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s: %v\n%s", view, err, b.String())
		}
		b.Reset()
		if err := Write(&b, view, Measurement{Findings: handMadeFindings()[:2]}); err != nil || strings.Contains(b.String(), "recorded:") || strings.Contains(b.String(), "! ") {
			t.Errorf("%s: %v\n%s", view, err, b.String())
		}
	}
}
