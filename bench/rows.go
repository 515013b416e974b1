package main

// A Row compares two measures, or shows one.
type Row struct {
	What   string  // the measure
	Ours   string  // ID of a measure
	Other  string  `json:",omitempty"` // ID of the measure to compare with; empty: none
	Than   string  `json:",omitempty"` // the other's name in the table
	Target float64 `json:",omitempty"` // maximum of the ratio; 0: none
	Below  bool    `json:",omitempty"` // the ratio should be below the target, not at it
	Aim    float64 `json:",omitempty"` // long-term target
	Limit  float64 `json:",omitempty"` // maximum of the measure itself, in its unit, where it is compared with no other

	// Derived from the measures.
	Ratio   float64 `json:",omitempty"`
	Outcome Outcome `json:",omitempty"`
	Why     string  `json:",omitempty"` // there is no ratio, and why
}

// An Outcome is the result of a row's target.
type Outcome string

// The outcomes; empty where there is no target.
const (
	Met         Outcome = "met"
	NotMet      Outcome = "NOT MET"
	NotMeasured Outcome = "not measured"
)

// comparisons are the rows without their ratios, in the order of the table.
func comparisons() []Row {
	var rows []Row
	for _, arch := range []string{"x86_64", "arm64"} {
		rows = append(rows,
			Row{What: "boot to first answer, " + arch, Ours: arch + "/boot", Other: arch + "/floor", Than: "floor", Target: 1.1},
			Row{What: "fork to first answer, a QEMU standing by, " + arch, Ours: arch + "/fork-one", Other: arch + "/boot-one", Than: "boot", Target: 0.15, Aim: 0.08},
			// Some probes do half of their act before anything is locked, and so before any answer.
			Row{What: "the same, after the first halves of all probes that have two, " + arch, Ours: arch + "/fork", Other: arch + "/boot-all", Than: "boot"},
			Row{What: "memory of a fork at the first answer, " + arch, Ours: arch + "/fork-first", Other: arch + "/guest-memory", Than: "guest RAM", Target: 0.25},
			Row{What: "memory of a fork when it is most, " + arch, Ours: arch + "/fork-most", Other: arch + "/guest-memory", Than: "guest RAM", Target: 0.25},
			Row{What: "of it, pages of guest RAM, " + arch, Ours: arch + "/fork-most-ram", Other: arch + "/guest-memory", Than: "guest RAM"},
		)
	}
	return append(rows,
		Row{What: "isolation matrix, x86_64", Ours: "isolation/forks", Other: "isolation/cells", Than: "boot per cell", Target: 0.2},
		Row{What: "isolation matrix, x86_64", Ours: "isolation/forks", Other: "isolation/boots", Than: "boot per setting"},
		Row{What: "boot of the peers' kernel", Ours: "peers/ldlab", Other: "peers/floor", Than: "floor"},
		Row{What: "boot of the peers' kernel", Ours: "peers/ldlab", Other: "peers/kunit", Than: "kunit.py", Target: 1.3},
		Row{What: "the same to its power-off", Ours: "peers/ldlab-end", Other: "peers/kunit", Than: "kunit.py"},
		Row{What: "boot of the peers' kernel", Ours: "peers/ldlab", Other: "peers/rcutorture", Than: "rcutorture", Target: 1, Below: true},
		Row{What: "boot of the peers' kernel", Ours: "peers/ldlab", Other: "peers/vmtest", Than: "hugelgupf/vmtest", Target: 1, Below: true},
		Row{What: "boot of the peers' kernel", Ours: "peers/ldlab", Other: "peers/virtme-ng", Than: "virtme-ng", Target: 1, Below: true},
		Row{What: "one-line patch to its verdict, x86_64", Ours: "patch/verdict", Other: "patch/cold", Than: "cold kernel build", Target: 0.25, Aim: 0.1},
		Row{What: "review of three patches of lockdown, x86_64", Ours: "review/one", Limit: 360},
		Row{What: "the same, patch by patch", Ours: "review/each", Other: "review/one", Than: "at once", Target: 1.5},
		Row{What: "the same, both architectures", Ours: "review/both", Limit: 900},
		Row{What: "reading 1,000 mails", Ours: "review/mails", Limit: 1},
		Row{What: "three settings of a kernel of Debian, x86_64", Ours: "debian/settings", Limit: 60},
		Row{What: "default run", Ours: "run/default"},
		Row{What: "guests of the default run", Ours: "run/guests"},
	)
}

// judge fills in the derived fields. Rows without a subject in this run are
// left out.
func judge(rows []Row, r *Results) []Row {
	var judged []Row
	for _, row := range rows {
		if r.Measure(row.Ours) == nil {
			continue
		}
		row.Ratio, row.Outcome, row.Why = 0, "", ""
		ours, other := r.Measure(row.Ours), r.Measure(row.Other)
		switch {
		case why(ours) != "":
			row.Why = why(ours)
		case row.Other == "":
			row.Outcome = outcome(row, ours.Median, row.Limit)
		case why(other) != "":
			row.Why = why(other)
		default:
			row.Ratio = ours.Median / other.Median
			row.Outcome = outcome(row, row.Ratio, row.Target)
		}
		if row.Why != "" {
			row.Outcome = NotMeasured
		}
		judged = append(judged, row)
	}
	return judged
}

// outcome compares a ratio with its target, or a measure with its limit.
func outcome(row Row, value, most float64) Outcome {
	switch {
	case most == 0:
		return ""
	case value < most, value == most && !row.Below:
		return Met
	}
	return NotMet
}

// why reports why a measure is unusable; empty if it is usable.
func why(m *Measure) string {
	switch {
	case m == nil:
		return "no subject of this run"
	case m.Missing != "":
		return m.Missing
	case len(m.Samples) == 0 || m.Median <= 0:
		return "no samples"
	}
	return ""
}
