package matrix

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// A judgedRow is the part of a row in scenarios that verdicts depend on. It
// excludes how the row is scheduled and run.
type judgedRow struct {
	ID                   string
	Call                 string
	Reason               lockdown.Reason
	Expect               string
	Source               string
	Site                 string
	Moved                []scenarios.Moved
	Instead              string
	Only                 []string
	Needs                []string
	Since, Until         string
	Conditions           []scenarios.Condition
	ShadowedBy           []scenarios.Shadow
	CheckedAtBoot        bool
	AbsentIfLockedAtBoot bool
	Setup                bool                  // it begins before the lock
	Machine              scenarios.MachineKind // decides whether its variants run
	Exclusive            bool                  // decides whether its variants run
	Once                 bool                  // decides whether its variants run
}

// RowsDigest is a digest (sha256, hex) of the rows of the tables that the
// verdicts on these probes depend on, in the given order. A probe that this lab
// does not have has an empty row.
func RowsDigest(probes []string) string {
	rows := make([]scenarios.Row, len(probes))
	for i, id := range probes {
		rows[i], _ = scenarios.Find(id)
		rows[i].ID = id
	}
	return rowsDigest(rows)
}

func rowsDigest(rows []scenarios.Row) string {
	sum := sha256.New()
	for _, r := range rows {
		text, err := json.Marshal(judgedRow{
			ID: r.ID, Call: r.Call, Reason: r.Reason, Expect: r.Expect.String(), Source: r.Source, Site: r.Site, Moved: r.Moved, Instead: r.Instead, Only: r.Only, Needs: r.Needs, Since: r.Since, Until: r.Until, Conditions: r.Conditions,
			ShadowedBy: r.ShadowedBy, CheckedAtBoot: r.CheckedAtBoot, AbsentIfLockedAtBoot: r.AbsentIfLockedAtBoot, Setup: r.Setup != nil, Machine: r.Machine, Exclusive: r.Exclusive, Once: r.Once,
		})
		if err != nil { // strings, bools and lists of them always encode
			panic(err)
		}
		sum.Write(append(text, '\n'))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// OtherRows describes the difference if the probes ran in a lab with other
// rows. It is empty if the rows are the same.
func (h Header) OtherRows() string {
	own := RowsDigest(h.Probes)
	if h.Rows == own {
		return ""
	}
	theirs := "no digest"
	if h.Rows != "" {
		theirs = fmt.Sprintf("sha256 %.12s", h.Rows)
	}
	return fmt.Sprintf("%s (lab %s), and this binary's are sha256 %.12s", theirs, h.Lab, own)
}
