// Package rows digests what verdicts depend on: in the tables of scenarios, and in what
// guests saw.
package rows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

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

// Digest is a digest (sha256, hex) of the rows of the tables that the
// verdicts on these probes depend on, in the given order. A probe that this lab
// does not have has an empty row.
func Digest(probes []string) string {
	rows := make([]scenarios.Row, len(probes))
	for i, id := range probes {
		rows[i], _ = scenarios.Find(id)
		rows[i].ID = id
	}
	return digestOf(rows)
}

func digestOf(rows []scenarios.Row) string {
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
