package formats

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

// kcidbOrigin names the system that reports. A site that submits results sets
// its own with its own tools.
const kcidbOrigin = "ldlab"

// The parts of KCIDB's schema, version 5.3, that a matrix fills in (kcidb-io,
// kcidb_io/schema/v05_03.py). No property may be null, no text may have a NUL, and
// addresses of sources are https only; a matrix has none of them to give.
type kcidb struct {
	Version   kcidbVersion    `json:"version"`
	Checkouts []kcidbCheckout `json:"checkouts"`
	Builds    []kcidbBuild    `json:"builds"`
	Tests     []kcidbTest     `json:"tests"`
	Issues    []kcidbIssue    `json:"issues,omitempty"`
	Incidents []kcidbIncident `json:"incidents,omitempty"`
}

type kcidbVersion struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

type kcidbCheckout struct {
	ID        string `json:"id"`
	Origin    string `json:"origin"`
	Tree      string `json:"tree_name,omitempty"`
	Comment   string `json:"comment,omitempty"`
	StartTime string `json:"start_time,omitempty"`
	Valid     bool   `json:"valid"`
}

type kcidbBuild struct {
	ID           string `json:"id"`
	Checkout     string `json:"checkout_id"`
	Origin       string `json:"origin"`
	Comment      string `json:"comment,omitempty"`
	Architecture string `json:"architecture"`
	Compiler     string `json:"compiler,omitempty"`
	ConfigName   string `json:"config_name"`
	Status       status `json:"status"`
}

type kcidbTest struct {
	ID          string            `json:"id"`
	Build       string            `json:"build_id"`
	Origin      string            `json:"origin"`
	Environment kcidbEnvironment  `json:"environment"`
	Path        string            `json:"path"`
	Comment     string            `json:"comment"`
	LogExcerpt  string            `json:"log_excerpt,omitempty"`
	Status      status            `json:"status"`
	StartTime   string            `json:"start_time,omitempty"`
	Duration    *float64          `json:"duration,omitempty"` // seconds
	Misc        map[string]string `json:"misc"`
}

// A kcidbIssue is a known issue, and a kcidbIncident a test in which it happened.
type kcidbIssue struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Origin  string `json:"origin"`
	URL     string `json:"report_url,omitempty"`
	Comment string `json:"comment"`
}

type kcidbIncident struct {
	ID           string `json:"id"`
	Origin       string `json:"origin"`
	Issue        string `json:"issue_id"`
	IssueVersion int    `json:"issue_version"`
	Test         string `json:"test_id"`
	Present      bool   `json:"present"`
}

type kcidbEnvironment struct {
	Comment string `json:"comment"`
}

// KCIDB writes a matrix in the schema of the kernel community's common database of
// test results: a checkout for each base and series, a build for each kernel and
// architecture, a test for each planned cell. A probe's path is
// lockdown.SETTING.SCENARIO.PROBE. A known issue is still a failure of its test, and an
// incident of an issue.
//
// It encodes one test at a time, because the whole text needs more memory than the matrix.
func KCIDB(w io.Writer, m *matrix.Matrix) error {
	doc := kcidb{Version: kcidbVersion{5, 3}, Checkouts: []kcidbCheckout{}, Builds: []kcidbBuild{}}
	for _, t := range m.Tables {
		doc.built(m, t)
	}
	for test, cell := range kcidbTests(m, doc.Builds) {
		if n := cell.Issue; n > 0 && n <= len(m.Issues) {
			doc.happens(m.Issues[n-1], test.ID)
		}
	}
	if list := notes(m); len(list) > 0 && len(doc.Checkouts) > 0 {
		doc.Checkouts[0].Comment += "; " + strings.Join(list, "; ")
	}
	var text strings.Builder
	if err := words.WriteJSON(&text, doc); err != nil {
		return err
	}
	before, after, _ := strings.Cut(text.String(), kcidbNoTests)
	out := bufio.NewWriter(w)
	out.WriteString(before + "\n  \"tests\": [") // Flush returns the first error
	comma := ""
	for test := range kcidbTests(m, doc.Builds) {
		text, err := json.MarshalIndent(test, "    ", "  ")
		if err != nil {
			return err
		}
		out.WriteString(comma + "\n    " + words.JSON(string(text)))
		comma = ","
	}
	if comma != "" {
		out.WriteString("\n  ")
	}
	out.WriteString("]" + after)
	return out.Flush()
}

// kcidbNoTests is what the document without tests has in their place.
const kcidbNoTests = "\n  \"tests\": null"

// built adds the build of a table, and its checkout.
func (doc *kcidb) built(m *matrix.Matrix, t matrix.Table) {
	made := strings.Join(words.Booted(t), ", ")
	checkout := kcidbCheckout{ID: kcidbID(t.Origin.Base, t.Origin.BaseVersion, t.Origin.BaseSHA256, strings.Join(t.Origin.Series, ",")), Origin: kcidbOrigin,
		Tree: words.Clean(t.Origin.Base), Comment: words.Clean(made), StartTime: kcidbTime(m.Header.Started), Valid: true}
	if !slices.ContainsFunc(doc.Checkouts, func(o kcidbCheckout) bool { return o.ID == checkout.ID }) {
		doc.Checkouts = append(doc.Checkouts, checkout)
	}
	doc.Builds = append(doc.Builds, kcidbBuild{ID: kcidbID("build", m.Header.Digest, t.Kernel, t.Arch, t.Origin.ImageSHA256), Checkout: checkout.ID, Origin: kcidbOrigin, Comment: words.Clean(t.Kernel + ": " + made),
		Architecture: only(t.Arch, lowerWord, "_"), Compiler: words.Clean(t.Origin.Compiler), ConfigName: words.Clean(t.Kernel), Status: pass})
}

// kcidbTests are the tests of a matrix, with their cells; a guest and the whole matrix
// have none. A table has the build of the same place.
func kcidbTests(m *matrix.Matrix, builds []kcidbBuild) iter.Seq2[kcidbTest, matrix.Cell] {
	return func(yield func(kcidbTest, matrix.Cell) bool) {
		for n, t := range m.Tables {
			for i, c := range t.Columns {
				for _, r := range t.Rows {
					if r.Cells[i].Verdict != matrix.NotPlanned && !yield(kcidbCell(m, t, c, r, r.Cells[i], builds[n].ID), r.Cells[i]) {
						return
					}
				}
				if !yield(kcidbGuest(m, t, c, builds[n].ID), matrix.Cell{}) {
					return
				}
			}
		}
		if len(builds) > 0 {
			yield(kcidbMeasured(m, builds[0].ID), matrix.Cell{})
		}
	}
}

// happens adds that a test shows a known issue. An issue is what its list has of it, so
// the same one has the same identifier in every report.
func (doc *kcidb) happens(i matrix.Issue, test string) {
	issue := kcidbIssue{ID: kcidbID("issue", i.Cell, string(i.Verdict), i.Reason, i.Link), Version: 1, Origin: kcidbOrigin, URL: kcidbURL(i.Link), Comment: words.Clean(i.Reason)}
	if !slices.Contains(doc.Issues, issue) {
		doc.Issues = append(doc.Issues, issue)
	}
	doc.Incidents = append(doc.Incidents, kcidbIncident{kcidbID("incident", issue.ID, test), kcidbOrigin, issue.ID, issue.Version, test, true})
}

func kcidbCell(m *matrix.Matrix, t matrix.Table, c matrix.Column, r matrix.TableRow, cell matrix.Cell, build string) kcidbTest {
	test := kcidbTest{ID: kcidbID("test", m.Header.Digest, m.Header.Started, guestName(t, c), r.Probe), Build: build, Origin: kcidbOrigin,
		Environment: kcidbEnvironment{kcidbMachine(c)}, Path: kcidbPath("lockdown", c.Setting.String(), strings.ReplaceAll(r.Probe, "/", ".")),
		Comment: message(cell), Status: statusOf(c, unknown(cell)), Misc: map[string]string{"verdict": string(cell.Verdict), "probe": words.Clean(r.Probe), "setting": c.Setting.String()}}
	if r.Reason != "" {
		test.Misc["reason"] = words.Clean(string(r.Reason))
	}
	if cell.Observed != nil {
		seconds := float64(max(cell.Observed.Duration, 0)) / float64(time.Second)
		test.Duration = &seconds
		test.LogExcerpt = kcidbExcerpt(cell.Observed)
	}
	return test
}

// maxExcerpt is the most that the schema allows of a log, in characters.
const maxExcerpt = 16384

// kcidbEnd is the end of a log, which shows why a guest died.
func kcidbEnd(log string) string {
	r := []rune(log)
	return string(r[max(0, len(r)-maxExcerpt):])
}

// kcidbExcerpt is what was observed of a probe: the call, the look, the kernel's
// log.
func kcidbExcerpt(o *scenarios.Observation) string {
	lines := append([]string{o.Call}, words.SeenOf(o)...)
	lines = append(lines, o.Log...)
	for i := range lines {
		lines[i] = words.Clean(lines[i])
	}
	return kcidbEnd(strings.TrimSpace(strings.Join(lines, "\n")))
}

// kcidbMeasured is a test of the whole run, as KTAP has it: without it a run in which
// all is skipped, or whose kernel reported a bug, would look well. It belongs to a
// build, because each test does.
func kcidbMeasured(m *matrix.Matrix, build string) kcidbTest {
	s := pass
	switch {
	case len(m.Splats()) > 0:
		s = fail
	case !m.Sound():
		s = fault
	}
	comment := "at least one cell shows what a kernel did"
	if list := clean(words.Grave(m)); len(list) > 0 {
		comment = strings.Join(list, "; ")
	}
	machine := "unknown"
	if hosts := m.Hosts(); len(hosts) > 0 {
		machine = strings.ReplaceAll(words.Machines(hosts), "\n", "; ")
	}
	return kcidbTest{ID: kcidbID("measured", m.Header.Digest, m.Header.Started), Build: build, Origin: kcidbOrigin, Environment: kcidbEnvironment{machine},
		Path: kcidbPath("lockdown", "measured"), Comment: comment, Status: s, Misc: map[string]string{}}
}

// kcidbGuest is the boot of a guest and its end: a test of its own, because a
// kernel that reports bugs, or a guest that is lost, is more than its cells.
func kcidbGuest(m *matrix.Matrix, t matrix.Table, c matrix.Column, build string) kcidbTest {
	s := pass
	switch {
	case len(c.Splats) > 0:
		s = fail
	case c.End.Failed() || c.End.Lost():
		s = fault
	case c.Tries == 0:
		s = miss
	}
	lines := append([]string{}, c.Splats...)
	for i := range lines {
		lines[i] = words.Clean(lines[i])
	}
	for _, line := range c.End.Console {
		lines = append(lines, words.Clean(line))
	}
	misc := map[string]string{"setting": c.Setting.String()}
	if c.Command != "" {
		misc["command"] = words.Clean(c.Command)
	}
	return kcidbTest{ID: kcidbID("guest", m.Header.Digest, m.Header.Started, guestName(t, c)), Build: build, Origin: kcidbOrigin,
		Environment: kcidbEnvironment{kcidbMachine(c)}, Path: kcidbPath("lockdown", c.Setting.String(), "guest"),
		Comment: words.Clean(words.GuestNote(c)), LogExcerpt: kcidbEnd(strings.Join(lines, "\n")), Status: s, Misc: misc}
}

// kcidbURL is an address as the schema wants it; empty if it is none.
func kcidbURL(text string) string {
	if u, err := url.Parse(words.Clean(text)); err == nil && u.Scheme != "" && u.Host != "" {
		return u.String()
	}
	return ""
}

func kcidbMachine(c matrix.Column) string {
	if c.Host == (matrix.Host{}) {
		return "unknown"
	}
	return words.Machines([]matrix.Host{c.Host})
}

// kcidbID is an identifier that depends on the texts alone: a report that is sent
// twice is one report.
func kcidbID(texts ...string) string {
	h := sha256.New()
	for _, s := range texts {
		fmt.Fprintf(h, "%d %s\n", len(s), s)
	}
	return kcidbOrigin + ":" + hex.EncodeToString(h.Sum(nil)[:16])
}

// kcidbPath joins the parts of a path, whose words have letters, digits, _ and -.
func kcidbPath(parts ...string) string {
	var list []string
	for _, p := range parts {
		for _, word := range strings.Split(p, ".") {
			if word = only(word, func(r rune) bool { return lowerWord(r) || r >= 'A' && r <= 'Z' || r == '-' }, "_"); word != "" {
				list = append(list, word)
			}
		}
	}
	return strings.Join(list, ".")
}

func lowerWord(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' }

// kcidbTime is a time as the schema wants it; empty if it is none.
func kcidbTime(text string) string {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Format(time.RFC3339)
	}
	return ""
}
