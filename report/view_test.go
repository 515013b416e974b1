package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/changes"
	"github.com/ldlab/ldlab/matrix/diff"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// maxGolden bounds a golden file, in bytes: a reviewer reads all of it.
const maxGolden = 8 << 10

// measurement is made by hand: six probes in four settings with every verdict,
// and a guest that was lost and ran again, one that was lost, and one that did
// not run.
func measurement(t testing.TB) Measurement {
	t.Helper()
	setting := func(text string) lockdown.Setting {
		s, err := lockdown.ParseSetting(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	host := matrix.Host{Arch: "x86_64", Accel: "tcg", Why: "TCG: no KVM here", QEMU: "QEMU emulator version 7.2.22 (Debian 1:7.2)", CPU: "max"}
	panicked := matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "Kernel panic - not syncing", Console: []string{"[ 1.0] <oops> | `x` \x1b[31m ]]>", "[ 1.1] end"}}
	table := matrix.Table{Kernel: "bitmap", Arch: "x86_64", Interface: lockdown.Bitmap,
		Origin: matrix.Origin{Base: "apt:linux-source-6.12", BaseVersion: "6.12.117", BaseSHA256: "0123456789abcdef", Series: []string{"bitmap (7 patches)"}, ImageSHA256: "fedcba98"},
		Columns: []matrix.Column{
			{Setting: setting("none"), Shown: "[none] integrity confidentiality", Host: host, Command: "qemu 1", Tries: 1, Timing: []matrix.Phase{{Name: "qemu", MS: 20}}},
			{Setting: setting("integrity@runtime"), Shown: "none [integrity] confidentiality", Command: "qemu 2", Tries: 2, Forked: true, Timing: []matrix.Phase{{Name: "fork", MS: 9}}},
			{Setting: setting("dev_mem@boot"), Host: host, Command: "qemu 3", Tries: 2, End: panicked},
			{Setting: setting("kexec@boot")},
		}}
	for _, r := range lockdown.Reasons() {
		if r.Reason != "xen_user_actions" && r.Reason != "rtas_error_injection" && r.Reason != "xmon_wr" && r.Reason != "xmon_rw" && r.Reason != "pcmcia_cis" {
			table.Has = append(table.Has, r)
		}
	}
	table.Has[1].Label = "/dev/mem"
	table.Has = append(table.Has, lockdown.ReasonInfo{Reason: "killswitch\x1b", Level: lockdown.Integrity, Label: "use\x1b"})
	const why = `open("x") = EPERM`
	cells := func(vs ...matrix.Verdict) (list []matrix.Cell) {
		for _, v := range vs {
			c := matrix.Cell{Judgment: matrix.Judgment{Verdict: v}}
			switch v {
			case matrix.NotRun, matrix.NotPlanned:
			case matrix.Unavailable:
				c.Why = "CONFIG_X86_MSR"
			case matrix.Lost:
				c.Why = panicked.String()
			case matrix.Leak, matrix.Overblocked, matrix.Deviates, matrix.NotLocked, matrix.Unattributed, matrix.Unproven:
				c.Why, c.Rule = why, "r"
			case matrix.Flaky:
				c.Why, c.Of = "LEAK, then enforced: "+why, matrix.Leak
			case matrix.Known:
				c.Why, c.Of, c.Issue = "unattributed: "+why, matrix.Unattributed, 1
			}
			list = append(list, c)
		}
		return list
	}
	row := func(id string, vs ...matrix.Verdict) {
		r := matrix.TableRow{Probe: id, Cells: cells(vs...)}
		if p, ok := scenarios.Find(id); ok {
			r.Call, r.Reason, r.Expect = "act", p.Reason, p.Expect.String() // not the call of the table: its words may change
		}
		table.Rows = append(table.Rows, r)
	}
	row("devmem/open", matrix.Open, matrix.Enforced, matrix.Lost, matrix.NotRun)
	row("kexec/load", matrix.Overblocked, matrix.Leak, matrix.Known, matrix.NotRun)
	row("kprobes/tracefs", matrix.Unproven, matrix.Flaky, matrix.Unattributed, matrix.NotRun)
	row("msr/write", matrix.Unavailable, matrix.Unavailable, matrix.Unavailable, matrix.NotPlanned)
	row("kept/devmem", matrix.Shadowed, matrix.OpenGap, matrix.GapClosed, matrix.NotRun)
	row("securityfs/lower", matrix.Conforms, matrix.Deviates, matrix.NotLocked, matrix.NotRun)
	table.Rows[0].Cells[1].Observed = &scenarios.Observation{Probe: "devmem/open", Comm: "ldp-1", Runs: 1, Duration: 1500000,
		Report: scenarios.Report{Outcome: scenarios.Denied, Errno: "EPERM", Call: why}}
	return Measurement{
		Matrix:   &matrix.Matrix{Header: matrix.Header{Format: matrix.Format, Lab: "v0", Started: "2026-01-02T03:04:05Z"}, Tables: []matrix.Table{table}, Issues: handMadeIssues()},
		Coverage: handMadeCoverage(), Mutation: handMadeMutation(), Diff: handMadeDiff(), Review: handMadeReview(), Versions: handMadeVersions(), Findings: handMadeFindings(),
	}
}

// handMadeIssues has a known issue of each state; the first is that of a cell.
func handMadeIssues() (list []matrix.Issue) {
	for i, s := range []matrix.IssueState{matrix.IssueHappens, matrix.IssueGone, matrix.IssueExpired, matrix.IssueUntouched} {
		list = append(list, matrix.Issue{Place: fmt.Sprintf("k.yaml:%d", i), Cell: "kexec/*", Verdict: matrix.Unattributed, Reason: "<b>\x1b", Link: "https://e.org/1", Until: "2026-12-31", Cells: 1, Of: 3, State: s})
	}
	return list
}

// handMadeCoverage has a site of every reach, one of unknown source, and every
// fault of a coverage.
func handMadeCoverage() []matrix.Coverage {
	site := func(name, file, function string, line int) lockdown.Site {
		return lockdown.Site{Name: name, File: file, Function: function, Line: line}
	}
	return []matrix.Coverage{
		{Kernel: "bitmap", Arch: "x86_64",
			Sites: []matrix.Covered{
				{Site: site("open_port+0x2a/0x40", "drivers/char/mem.c", "open_port", 612), Reach: matrix.SiteDenied, Checks: 9, Denials: 4,
					Probes: []string{"devmem/mmap", "devmem/open", "devmem/open-rdwr", "devmem/port-open", "devmem/read"}},
				{Site: site("tracer_alloc_buffers+0x9/0x99", "kernel/trace/trace.c", "tracer_alloc_buffers", 10576), Copies: []string{"start_kernel+0x1/0x2"}, Reach: matrix.AllowedOnly, Checks: 1, Boot: true},
				{Site: site("f+0x1/0x2 [m]", "", "", 0), Reach: matrix.NotReached, Why: "no such device"},
				{Site: site("g+0x1/0x2", "a.c", "g", 1), Reach: matrix.NotReached},
			},
			Absent: []matrix.Absent{{SourceSite: lockdown.SourceSite{File: "arch/powerpc/xmon/xmon.c", Function: "xmon_is_locked_down", Line: 309}, Why: "powerpc only"},
				{SourceSite: lockdown.SourceSite{File: "b.c", Function: "h", Line: 2}}},
			Callers: []matrix.CoveredCaller{
				{Caller: lockdown.Caller{Site: "drivers/char/mem.c:open_port", Name: "mem_fops:open_port", Times: 1}, Evidence: matrix.Counted, By: []string{"devmem/open"}},
				{Caller: lockdown.Caller{Site: "drivers/char/mem.c:open_port", Name: "port_fops:open_port", Times: 1}, Evidence: matrix.LostCaller},
				{Caller: lockdown.Caller{Site: "kernel/trace/trace.c:tracer_alloc_buffers", Name: lockdown.CallerBoot, Times: 1}, Evidence: matrix.AtBoot},
				{Caller: lockdown.Caller{Site: "a.c:g", Name: "g_fops:h", Times: 1}, Evidence: matrix.Compared, By: []string{"devmem/open: again"}},
				{Caller: lockdown.Caller{Site: "a.c:g", Name: "i", Times: 1}, Evidence: matrix.NotExercised, Why: "no such file"},
				{Caller: lockdown.Caller{Site: "a.c:g", Name: "sys_j", Times: 1}, Evidence: matrix.NotExercised}},
			WrongSite:          []string{"msr/write"},
			OutdatedExclusions: []string{"c.c:outdated"},
			UnknownSites:       []string{"who+0x1/0x2\x1b"}},
		{Kernel: "stock", Arch: "arm64"},
	}
}

// TestScoreOfSource: without mutants at run time the kernel itself did not run, so
// nothing is said about its alarms.
func TestScoreOfSource(t *testing.T) {
	m := matrix.Mutation{Mutants: []matrix.Mutant{{Kind: matrix.Source, Status: matrix.Killed}}}
	if got := score(m); strings.Contains(got, "false alarm") {
		t.Error(got)
	}
	if m.Mutants[0].Kind = matrix.Allow; !strings.Contains(score(m), "0 false alarms") {
		t.Error(score(m))
	}
}

func handMadeReview() *changes.Review {
	d := diff.Diff{Arch: "x86_64", Same: 7, Changes: []diff.Change{
		{Kind: diff.NewlyLeaking, Probe: "msr/write", Before: matrix.Enforced, Now: matrix.Leak, Settings: []string{"integrity@boot"}, Why: "pwrite() = EPERM, and yet it was done\x1b[2J"},
		{Kind: diff.GapClosing, Probe: "pci/vpd", Before: matrix.OpenGap, Now: matrix.GapClosed, Settings: []string{"integrity@boot"}},
	}, Calls: []diff.CallChange{{Call: "b.c:f", From: "a.c:f", Reason: "kexec", Before: 1, Now: 1}}}
	return &changes.Review{
		Series: "t.mbox", Notes: []string{"v2 of the series is taken and v1 (2 mails) left out"}, Lab: "v1", Command: "ldlab review t.mbox",
		Base: changes.Base{Name: "6.12", Version: "6.12.117", Tried: []string{"6.12 (a base of the table): it applies"}},
		Patches: []changes.Patch{
			{Name: "t.mbox#1", Subject: "[PATCH v2 1/2] x86/msr: ask later", Files: []string{"arch/x86/kernel/msr.c"}, Warnings: []string{"arch/x86/kernel/msr.c: warning: unused variable"},
				Hunks: []changes.Hunk{{File: "arch/x86/kernel/msr.c", Head: "static ssize_t msr_write(struct file *file)", Lines: []string{" \tint err = 0;", "-\terr = security_locked_down(LOCKDOWN_MSR);", "-\tif (err)", "-\t\treturn err;"}}}},
			{Name: "t.mbox#2", Subject: "[PATCH v2 2/2] <b>", Files: []string{"b.c"}, Build: []string{"x86_64: b.c:1:1: error: x"}},
		},
		Arches:   []changes.Arch{{Arch: "x86_64", Diff: d, Image: [2]int64{1000, 1024}, Boot: [2]int64{900, 910}, Splats: []string{"integrity@boot: WARNING: at f"}}, {Arch: "arm64", Diff: diff.Diff{Arch: "arm64"}}},
		Machines: map[string]string{"x86_64": "QEMU emulator version 7.2.22, TCG"},
		Mails:    []string{"linux-kernel@vger.kernel.org"},
	}
}

func handMadeVersions() *changes.Versions {
	now := handMadeReview()
	now.Series = "v3.mbox"
	now.Arches[0].Diff.Changes = now.Arches[0].Diff.Changes[1:]
	now.Arches[0].Splats = append(now.Arches[0].Splats, "none: WARNING: at g")
	v := changes.CompareVersions(handMadeReview(), now)
	v.RangeDiff = "1:  0123456 = 1:  0123456 x86/msr: ask later\n"
	v.NoRangeDiff = "the versions are for different bases" // a real one has one of both
	return v
}

func handMadeDiff() []diff.Diff {
	d := diff.Diff{From: "stock@6.1 6.1.187", To: "stock@7.3 7.3.4", Arch: "x86_64", Same: 7, Missing: []string{"probe new/probe\x1b"}, Reasons: []diff.ReasonChange{{Reason: "xen_user_actions", Came: true}, {Reason: "old\x1b"}}, Calls: []diff.CallChange{
		{Call: "a.c:came", Reason: "dev_mem", Now: 1}, {Call: "b.c:went", Before: 2}, {Call: "c.c:more", Reason: "tracefs", Before: 1, Now: 3},
	}}
	for _, kind := range diff.ChangeKinds() {
		d.Changes = append(d.Changes, diff.Change{Kind: kind, Probe: "devmem/open", Before: matrix.Enforced, Now: matrix.Leak, Settings: []string{"dev_mem@boot"}, Why: "why\x1b[2J"})
	}
	d.Guests = []diff.GuestChange{{Setting: "dev_mem@boot", Before: "ended", Now: "lost: panic\x1b"}, {Setting: "none", Before: "ended", Now: "ended", Splats: []string{"BUG\x1b"}}}
	d.Slower = []diff.Slowdown{{What: "guests that boot", Before: 2e9, Now: 5e9, Of: 4}}
	return []diff.Diff{d, {From: "a", To: "a", Arch: "arm64", Times: "the machines differ: a\x1b, before b"}}
}

func handMadeMutation() []matrix.Mutation {
	return []matrix.Mutation{{Kernel: "bitmap", Arch: "x86_64", Interface: lockdown.Bitmap, Origin: matrix.Origin{Base: "apt:linux-source-6.12", BaseVersion: "6.12.117", BaseSHA256: "0123456789abcdef", ImageSHA256: "fedcba9876543210"},
		Mutants: []matrix.Mutant{
			{Site: "open_port+0x2a/0x40", Call: "drivers/char/mem.c:open_port", Kind: matrix.Allow, Status: matrix.Killed, By: []string{"devmem/open", "devmem/read"}, DetectedBy: matrix.DetectedByEffect, Why: "leak"},
			{Site: "open_port+0x2a/0x40", Call: "drivers/char/mem.c:open_port", Kind: matrix.Deny, Status: matrix.Survived, Why: "devmem/open: open"},
			{Site: "f+0x1/0x2 [m]", Kind: matrix.Allow, Status: matrix.NotCovered, Why: "no probe gets another answer there"},
			{Site: "g+0x1/0x2", Call: "a.c:g", Kind: matrix.AsSame, Reason: "kexec", Status: matrix.MutantError, Why: "panic: a | b"},
			{Reason: "msr", Kind: matrix.NeverLocked, Status: matrix.Killed, By: []string{"msr/write"}, DetectedBy: matrix.DetectedByCounters},
			{Site: "g+0x1/0x2", Call: "a.c:g", Kind: matrix.Euid, Status: matrix.Equivalent, Why: "only the boot makes the call"},
		},
		Alarms: []string{"msr/write, integrity@boot: LEAK"}}}
}

// write writes a view twice: the same measurement gives the same bytes.
func write(t testing.TB, v View, m Measurement) []byte {
	t.Helper()
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := v.Write(b, m); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("%s: two writes of the same measurement differ", v.Name)
	}
	return first.Bytes()
}

// TestGolden compares every view with its golden file. "go test ./report
// -update" rewrites them.
func TestGolden(t *testing.T) {
	for _, v := range Views() {
		m := measurement(t)
		if v.Name == "html" || v.Name == "sarif" || v.Name == "kcidb" { // they have many lines a cell
			part := &m.Matrix.Tables[0]
			part.Columns = part.Columns[1:3]
			for i := range part.Rows {
				part.Rows[i].Cells = part.Rows[i].Cells[1:3]
			}
		}
		if v.Name == "kcidb" || v.Name == "sarif" || v.Name == "json" {
			rows := &m.Matrix.Tables[0].Rows
			*rows = slices.Delete(*rows, 3, 5) // an absence and the known gap, which are as the others are
			if v.Name == "sarif" {
				*rows = (*rows)[:3]
			}
			m.Matrix.Issues = m.Matrix.Issues[:1]
		}
		if v.Name == "html" { // TestSections has the rest
			m = Measurement{Matrix: m.Matrix}
		}
		got := write(t, v, m)
		if v.Name == "html" {
			got = pageData(t, got)
		}
		golden := filepath.Join("testdata", v.Golden)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s (go test ./report -update rewrites it):\n%s", v.Name, golden, got)
		}
		if len(want) > maxGolden {
			t.Errorf("%s has %d bytes, want at most %d", golden, len(want), maxGolden)
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !f.IsDir() && !slices.ContainsFunc(Views(), func(v View) bool { return v.Golden == f.Name() }) {
			t.Errorf("testdata/%s belongs to no view", f.Name())
		}
	}
}

// pageData is the data of a page, which is what a golden file can show of it.
func pageData(t *testing.T, page []byte) []byte {
	t.Helper()
	_, rest, ok := bytes.Cut(page, []byte(`id="data">`))
	data, _, end := bytes.Cut(rest, []byte("</script>"))
	if !ok || !end || !json.Valid(data) {
		t.Fatalf("the page has no data: %.200s", rest)
	}
	return append(data, '\n')
}

// TestGoldenHasEveryVerdict keeps the hand-made matrix complete.
func TestGoldenHasEveryVerdict(t *testing.T) {
	n := measurement(t).Matrix.Count()
	for _, v := range matrix.Verdicts() {
		if n[v] == 0 || words.Short[v] == "" || len(words.Short[v]) > cellWidth {
			t.Errorf("%s: %d cells, short form %q", v, n[v], words.Short[v])
		}
	}
}

func TestViewsAreNamedOnce(t *testing.T) {
	for i, v := range views {
		for _, o := range views[:i] {
			if v.Name == o.Name || v.Golden == o.Golden || v.File != "" && v.File == o.File {
				t.Errorf("%s and %s have a name or a file in common", v.Name, o.Name)
			}
		}
		if _, ok := Find(v.Name); !ok || v.Golden == "" || v.Format != (v.File != "") {
			t.Errorf("%+v is incomplete", v)
		}
	}
	if err := Write(&bytes.Buffer{}, "none", Measurement{}); err == nil {
		t.Error("an unknown view: no error")
	}
	if err := Write(&bytes.Buffer{}, "text", Measurement{}); err == nil {
		t.Error("a text without a matrix: no error")
	}
}

// TestEveryFormatHasNotes: every format of a matrix shows a guest that ran again,
// one that was lost, why a probe is unavailable, that a gap is closed, and that
// nothing was measured.
func TestEveryFormatHasNotes(t *testing.T) {
	empty := measurement(t)
	empty.Matrix.Tables[0].Rows = empty.Matrix.Tables[0].Rows[3:4] // msr/write: unavailable or not run
	for _, f := range Formats() {
		got, nothing := string(write(t, f, measurement(t))), string(write(t, f, empty))
		retry, note := "try 2, because the guest was lost before", "nothing was measured"
		gap := "the table of gaps is outdated"
		if f.Name == "json" {
			retry, note, gap = `"Tries": 2`, `"Measured": false`, `"ClosedGaps": [`
		}
		for _, want := range []string{retry, "panic", "CONFIG_X86_MSR", gap} {
			if !strings.Contains(got, want) && !strings.Contains(got, words.Markdown(want)) {
				t.Errorf("%s does not have %q", f.Name, want)
			}
		}
		if strings.Contains(got, note) || !strings.Contains(nothing, note) {
			t.Errorf("%s: %q is wrong or missing", f.Name, note)
		}
	}
}

func TestSeen(t *testing.T) {
	v := func(args string, o scenarios.Outcome) scenarios.Variant {
		return scenarios.Variant{Args: args, Report: scenarios.Report{Outcome: o}}
	}
	o := &scenarios.Observation{Report: scenarios.Report{Effect: scenarios.Happened, Look: "read = 1"}, Variants: []scenarios.Variant{v("a", scenarios.Denied), v("b", scenarios.Allowed)}}
	got := strings.Join(words.SeenOf(o), "|")
	if want := "looked (happened): read = 1|2 variants, 1 not denied: b allowed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if list := append(words.SeenOf(nil), words.SeenOf(&scenarios.Observation{})...); len(list) > 0 {
		t.Errorf("nothing was looked at: %q", list)
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{"1 probe": words.Count(1, "probe"), "0 probes": words.Count(0, "probe"), "1 patch": words.Count(1, "patch"), "7 patches": words.Count(7, "patch")} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestFormatsParse(t *testing.T) {
	m := measurement(t)
	var doc struct {
		AsExpected bool
		Counts     map[string]int
		Tables     []struct {
			Rows []struct{ Cells []struct{ Rule string } }
		}
	}
	json1, _ := Find("json")
	if err := json.Unmarshal(write(t, json1, m), &doc); err != nil || doc.AsExpected || doc.Counts["LEAK"] == 0 || doc.Tables[0].Rows[1].Cells[0].Rule == "" {
		t.Errorf("JSON: %v, %+v", err, doc)
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
	}
	junit, _ := Find("junit")
	n := m.Matrix.Count() // and one guest was lost
	failures := 1 + n[matrix.Flaky] + n[matrix.Leak] + n[matrix.Overblocked] + n[matrix.Deviates] + n[matrix.NotLocked] + n[matrix.Unattributed] + n[matrix.Unproven]
	if err := xml.Unmarshal(write(t, junit, m), &suites); err != nil || suites.Failures != failures || suites.Errors != n[matrix.Lost]+n[matrix.NotRun]+1 || suites.Skipped != n[matrix.Unavailable]+n[matrix.NotPlanned]+n[matrix.Known] {
		t.Errorf("JUnit: %v, %+v, want %v", err, suites, n)
	}
}
