package matrix

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/ldlab/ldlab/matrix/rows"
	"github.com/ldlab/ldlab/scenarios"
)

// How a guest can end, and the outcomes of an act. Results of another lab may have more.
var (
	Endings  = []Ending{"", Ended, LostByGuest, FailedByLab}
	Outcomes = []scenarios.Outcome{scenarios.Allowed, scenarios.Denied, scenarios.Unavailable, scenarios.Failed, scenarios.Answered}
)

// planOnce takes out guests that the plan has already, and names them.
func (h *Header) planOnce() (problems []string) {
	has := map[string]bool{}
	plan := h.Plan
	h.Plan = nil
	for _, g := range plan {
		if id := g.ID(); has[id] {
			problems = append(problems, fmt.Sprintf("the plan has guest %s twice; it counts once", id))
		} else {
			has[id], h.Plan = true, append(h.Plan, g)
		}
	}
	return problems
}

// sort gives each guest's first and second run by its ID, and adds what is wrong.
func (h Header) sort(results []Result, problems *[]string) (first, again map[string]*Result, err error) {
	first, again = map[string]*Result{}, map[string]*Result{}
	planned, differ, strange := map[string]bool{}, map[string]bool{}, 0
	for _, g := range h.Plan {
		planned[g.ID()] = true
	}
	for i := range results {
		r, list, why := &results[i], first, ""
		if r.Again {
			list = again
		}
		id := r.ID()
		old := list[id]
		switch unfit := h.unfit(r); {
		case !planned[id]:
			strange++
			why = "is not in the plan; its result is left out"
		case unfit != "":
			why = unfit + "; its result is left out"
		case old == nil:
			list[id] = r
		case old.End.Failed() || r.End.Failed() || old.Seen() == r.Seen():
			why = "has two results with the same outcomes; one is left out"
			if old.End.Failed() || r.End.Failed() {
				why = "has two results; the one in which the lab failed is left out"
			}
			if old.End.Failed() {
				list[id] = r
			}
		default:
			why, differ[id] = "has two results with different outcomes; both are left out", true
		}
		if why != "" {
			*problems = append(*problems, fmt.Sprintf("guest %.200s: %s", id, why))
		}
	}
	for id := range differ {
		delete(first, id)
		delete(again, id)
	}
	if strange > 0 && strange == len(results) {
		return nil, nil, fmt.Errorf("build matrix: no result is of the plan: %s", (*problems)[0])
	}
	return first, again, nil
}

// unfit is why a result cannot be judged: this lab does not know how its guest ended, or
// its verdicts would follow from another kernel's configuration. Empty: it can be.
func (h Header) unfit(r *Result) string {
	if !slices.Contains(Endings, r.End.Ending) {
		return fmt.Sprintf("unknown ending %.80q", r.End.Ending)
	}
	if k := h.Kernel(r.Kernel, r.Arch); k.Origin.ImageSHA256 != "" && !k.Origin.Same(r.Origin) {
		return fmt.Sprintf("kernel image %.12s and guest program %.12s are not those of the header", r.Origin.ImageSHA256, r.Origin.GuestSHA256)
	}
	return ""
}

// Seen digests how the guest ended and what it saw: see rows.Seen.
func (r *Result) Seen() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%v %q", r.End.Well(), r.End.Cause)
	for _, m := range r.Machines {
		fmt.Fprintf(h, "\nmachine %q ", m.Profile)
		rows.Seen(h, m.States, m.Observations)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// reported counts how often a guest reported a probe. It is empty below two, because only
// then does one report hide another.
func (r *Result) reported(probe, who string) string {
	var outcomes []string
	for _, m := range r.Machines {
		for i := range m.Observations {
			if o := &m.Observations[i]; o.Probe == probe {
				outcomes = append(outcomes, fmt.Sprintf("%.20s", o.Outcome))
			}
		}
	}
	if len(outcomes) < 2 {
		return ""
	}
	return fmt.Sprintf("%s reported the probe %d times: %s", who, len(outcomes), strings.Join(outcomes[:min(len(outcomes), 5)], ", "))
}
