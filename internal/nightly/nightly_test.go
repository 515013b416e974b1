package nightly

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"

	"github.com/ldlab/ldlab/internal/guestproto"
	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/internal/results"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/matrix/known"
	"github.com/ldlab/ldlab/report/words"
	"github.com/ldlab/ldlab/scenarios"
)

var evening = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

// put writes a file below dir.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, root string, now time.Time) string {
	t.Helper()
	dir, _, err := Begin(root, "", now)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func end(t *testing.T, dir string, now time.Time, o Options) *Night {
	t.Helper()
	o.Now, o.Lab, o.Table, o.Machine = now, "v1", "0123456789abcdef", "host"
	n, err := End(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// aRun writes the results of a run: kexec/load leaks, or does not.
func aRun(t *testing.T, dir, kernel string, leaks bool, change func(*matrix.Result)) {
	t.Helper()
	h := matrix.Header{Format: matrix.Format, Lab: "v1", Probes: []string{"devmem/open", "kexec/load"}}
	text := ""
	for _, name := range []string{"none", "integrity@runtime"} {
		s, err := lockdown.ParseSetting(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Plan = append(h.Plan, matrix.Guest{Kernel: kernel, Arch: "x86_64", Interface: lockdown.Upstream, Setting: s})
	}
	header, err := results.EncodeHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	text += string(header)
	for i, g := range h.Plan {
		level := lockdown.NewModel(g.Interface, g.Setting).Answer(lockdown.Op{Call: "read", File: lockdown.LevelFile}).Data
		r := matrix.Result{Guest: g, Tries: 1, Machines: []matrix.MachineRun{{States: []scenarios.State{{When: guestproto.WhenLocked, Level: level}}}}}
		for _, p := range []struct{ probe, label string }{{"devmem/open", "/dev/mem,kmem,port"}, {"kexec/load", "kexec of unsigned images"}} {
			o := scenarios.Observation{Probe: p.probe, Comm: "ldp-1", Runs: 1, Report: scenarios.Report{Outcome: scenarios.Allowed, Call: p.probe + "() = ok"}}
			if i > 0 && !(leaks && p.probe == "kexec/load") {
				o.Outcome, o.Log = scenarios.Denied, []string{"Lockdown: ldp-1: " + p.label + " is restricted; see man kernel_lockdown.7"}
			}
			r.Machines[0].Observations = append(r.Machines[0].Observations, o)
		}
		if change != nil {
			change(&r)
		}
		line, err := results.EncodeResult(r)
		if err != nil {
			t.Fatal(err)
		}
		text += string(line)
	}
	put(t, dir, results.File, text)
}

// TestBegin: a night goes on for a day, and each ended night is followed by a new one.
func TestBegin(t *testing.T) {
	root := filepath.Join(t.TempDir(), "nights")
	first := begin(t, root, evening)
	if first != filepath.Join(root, "2026-11-28") {
		t.Fatal(first)
	}
	dir, notes, err := Begin(root, "", evening.Add(5*time.Hour)) // after midnight
	if err != nil || dir != first || len(notes) != 1 || !strings.Contains(notes[0], "it goes on") {
		t.Errorf("%v: %s, %q", err, dir, notes)
	}
	dir, notes, err = Begin(root, "", evening.Add(-time.Hour))
	if err != nil || dir != first || !strings.Contains(strings.Join(notes, "|"), "the clock went backwards: ") {
		t.Errorf("%v: %s, %q", err, dir, notes)
	}
	dir, notes, err = Begin(root, "", evening.Add(30*time.Hour))
	if err != nil || dir != filepath.Join(root, "2026-11-30") || len(notes) != 1 || !strings.Contains(notes[0], "left as it is") {
		t.Errorf("%v: %s, %q", err, dir, notes)
	}
	end(t, dir, evening.Add(31*time.Hour), Options{})
	if again := begin(t, root, evening.Add(32*time.Hour)); again != filepath.Join(root, "2026-11-30-2") {
		t.Errorf("after an end: %s", again)
	}
	// A directory of somebody else is not ours, whatever its name is.
	if err := os.MkdirAll(filepath.Join(root, "2026-12-24"), 0o755); err != nil {
		t.Fatal(err)
	}
	if dir := begin(t, root, time.Date(2026, 12, 24, 20, 0, 0, 0, time.UTC)); dir != filepath.Join(root, "2026-12-24-2") {
		t.Errorf("beside another directory: %s", dir)
	}
	if _, _, err := Begin(root, filepath.Join(root, "tonight"), evening); err == nil {
		t.Error("a name that is no day: no error")
	}
	if dir, _, err := Begin(root, filepath.Join(root, "2026-11-01"), evening); err != nil || dir != filepath.Join(root, "2026-11-01") {
		t.Errorf("%v: %s", err, dir)
	}
	if _, err := End(filepath.Join(root, "2026-12-24"), Options{Now: evening}); err == nil {
		t.Error("the end of a directory that is no night: no error")
	}
}

// TestChanges: the mail tells what changed and nothing else, and is empty if nothing
// did; the status is that of failed steps and of what got worse.
func TestChanges(t *testing.T) {
	plain := func(t *testing.T, dir string) { aRun(t, filepath.Join(dir, "matrix"), "stock", false, nil) }
	done := func(t *testing.T, dir string) {
		put(t, dir, "steps/matrix.log", "")
		put(t, dir, "steps/matrix.done", "")
	}
	for _, c := range []struct {
		name        string
		before, now func(*testing.T, string)
		mail        []string // that it has; none: it is empty
		good        bool
		head        string // of the page
	}{
		{"nothing", func(t *testing.T, d string) { plain(t, d); done(t, d) }, func(t *testing.T, d string) { plain(t, d); done(t, d) }, nil, true, "✓ every step went well"},
		{"a leak", plain, func(t *testing.T, d string) { aRun(t, filepath.Join(d, "matrix"), "stock", true, nil) },
			[]string{"is worse than 2026-11-28", "Run matrix", "  stock x86_64", "    leaking", "      kexec/load: LEAK, before enforced (integrity@runtime):\n        kexec/load() = ok"}, false, "✗ "},
		{"leaks as before", func(t *testing.T, d string) { aRun(t, filepath.Join(d, "matrix"), "stock", true, nil) }, func(t *testing.T, d string) { aRun(t, filepath.Join(d, "matrix"), "stock", true, nil) }, nil, true, "✗ not as expected"},
		{"repaired", func(t *testing.T, d string) { aRun(t, filepath.Join(d, "matrix"), "stock", true, nil) }, plain, []string{"differs from", "      kexec/load: enforced, before LEAK"}, true, ""},
		{"a lost guest", plain, func(t *testing.T, d string) {
			aRun(t, filepath.Join(d, "matrix"), "stock", false, func(r *matrix.Result) {
				if r.Setting.Locked() {
					r.End = matrix.End{Ending: matrix.LostByGuest, Cause: "panic", Detail: "x"}
				}
			})
		}, []string{"is worse", "guest integrity@runtime: lost: panic, before ended"}, false, "✗ "},
		{"another kernel", plain, func(t *testing.T, d string) { aRun(t, filepath.Join(d, "matrix"), "bitmap", false, nil) }, []string{"no kernel and architecture is in both", "stock x86_64 is gone", "bitmap x86_64 is new"}, true, ""},
		{"a run is new", plain, func(t *testing.T, d string) { plain(t, d); aRun(t, filepath.Join(d, "wide"), "wide", false, nil) }, []string{"Run wide", "it is new"}, true, ""},
		{"a run is missing", plain, func(t *testing.T, d string) {}, []string{"Run matrix", "it is missing"}, true, ""},
		{"damaged results", plain, func(t *testing.T, d string) { put(t, d, "matrix/results.jsonl", "hello\n") }, []string{"its results cannot be read: ", "line 1"}, false, "✗ "},
		{"a step fails", plain, func(t *testing.T, d string) {
			plain(t, d)
			put(t, d, "steps/test.log", "")
			put(t, d, "steps/test.failed", "2\n")
		}, []string{"steps of 2026-11-29 failed", "  test failed (exit status 2): see steps/test.log"}, false, "✗ "},
		{"a step fails again", func(t *testing.T, d string) {
			plain(t, d)
			put(t, d, "steps/test.log", "")
			put(t, d, "steps/test.failed", "2\n")
		}, func(t *testing.T, d string) {
			plain(t, d)
			put(t, d, "steps/test.log", "")
			put(t, d, "steps/test.failed", "2\n")
		}, nil, false, "✗ "},
		{"a step has no end", plain, func(t *testing.T, d string) { plain(t, d); put(t, d, "steps/test.log", "") }, []string{"test failed (not finished)"}, false, "✗ "},
	} {
		root := t.TempDir()
		dir := begin(t, root, evening)
		c.before(t, dir)
		first := end(t, dir, evening.Add(time.Hour), Options{})
		if first.Mail == "" || !strings.HasPrefix(first.Mail, "ldlab: first night, 2026-11-28\n") {
			t.Errorf("%s: the mail of the first night: %s", c.name, first.Mail)
		}
		dir = begin(t, root, evening.AddDate(0, 0, 1))
		c.now(t, dir)
		n := end(t, dir, evening.AddDate(0, 0, 1).Add(time.Hour), Options{})
		if (len(c.mail) == 0) != (n.Mail == "") || n.Good() != c.good {
			t.Errorf("%s: good %v, want %v; mail: %s", c.name, n.Good(), c.good, n.Mail)
		}
		for _, want := range c.mail {
			if !strings.Contains(n.Mail, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, n.Mail)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, MailFile)); err != nil || string(text) != n.Mail {
			t.Errorf("%s: %v, the file has another mail", c.name, err)
		}
		nights, notes, err := history.Load(root)
		if err != nil || len(notes) > 0 || len(nights) != 2 || nights[1].Seconds() != 3600 {
			t.Errorf("%s: %v, %q, %+v", c.name, err, notes, nights)
		}
		page, err := os.ReadFile(filepath.Join(root, Latest, PageFile))
		if err != nil || !strings.Contains(string(page), "<h1>Night 2026-11-29</h1>") || !strings.Contains(string(page), c.head) || strings.Contains(string(page), "<script") {
			t.Errorf("%s: %v\n%s", c.name, err, page)
		}
	}
}

// TestWithoutTheNightBefore: if only the history is left of it, the counts are compared.
func TestWithoutTheNightBefore(t *testing.T) {
	root := t.TempDir()
	dir := begin(t, root, evening)
	aRun(t, filepath.Join(dir, "matrix"), "stock", false, nil)
	end(t, dir, evening.Add(time.Hour), Options{})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	dir = begin(t, root, evening.AddDate(0, 0, 1))
	aRun(t, filepath.Join(dir, "matrix"), "stock", true, nil)
	if n := end(t, dir, evening.AddDate(0, 0, 1), Options{}); !strings.Contains(n.Mail, "  stock x86_64: 1 LEAK, before 0\n") || !strings.Contains(n.Mail, "  stock x86_64: 1 enforced, before 2\n") {
		t.Error(n.Mail)
	}
}

// TestExpiry: an issue that expired between two nights is a change, and is worse.
func TestExpiry(t *testing.T) {
	list, err := known.Parse("k.yaml", []byte("known:\n- {probe: kexec/load, verdict: LEAK, reason: r, link: \"https://example.org/1\", until: \"2026-11-28\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	var n *Night
	for i := range 2 {
		now := evening.AddDate(0, 0, i)
		dir := begin(t, root, now)
		aRun(t, filepath.Join(dir, "matrix"), "stock", true, nil)
		n = end(t, dir, now, Options{Known: list})
	}
	for _, want := range []string{"known issue k.yaml:2: kexec/load: LEAK: expired, before: happens", "kexec/load: LEAK, before known"} {
		if !strings.Contains(n.Mail, want) {
			t.Errorf("no %q in\n%s", want, n.Mail)
		}
	}
	if n.Good() {
		t.Error("the night is good")
	}
}

// TestClockBackwards: a night that was begun before the one before it is told, and is
// compared with that all the same.
func TestClockBackwards(t *testing.T) {
	root := t.TempDir()
	end(t, begin(t, root, evening), evening, Options{})
	n := end(t, begin(t, root, evening.AddDate(0, 0, -3)), evening.AddDate(0, 0, -3), Options{Keep: 1})
	if n.Before == nil || !strings.Contains(n.Mail, "the clock went backwards: 2026-11-25 was begun at") || !slices.Equal(n.Removed, []string{filepath.Join(root, "2026-11-28")}) {
		t.Errorf("%+v\n%s", n, n.Mail)
	}
	if _, err := os.Stat(n.Dir); err != nil {
		t.Error("the night itself was removed")
	}
	if n = end(t, begin(t, root, evening.AddDate(0, 0, 1)), evening.AddDate(0, 0, 1), Options{}); n.Mail != "" || !strings.Contains(strings.Join(n.Notes, "|"), "the clock went backwards") {
		t.Errorf("a night later: %q, mail: %s", n.Notes, n.Mail)
	}
}

// TestNamesAreNotUsedAgain: the history has one night of each name, so a name that it has
// is not taken again, although the directory is gone.
func TestNamesAreNotUsedAgain(t *testing.T) {
	root := t.TempDir()
	for range 4 {
		dir := begin(t, root, evening)
		end(t, dir, evening, Options{Keep: 1})
	}
	nights, _, err := history.Load(root)
	if err != nil || len(nights) != 4 || nights[3].Name != "2026-11-28-4" {
		t.Errorf("%v, %+v", err, nights)
	}
}

// TestCutHistory: a line that was cut off is told, and the new one is whole.
func TestCutHistory(t *testing.T) {
	root := t.TempDir()
	for i := range 2 {
		end(t, begin(t, root, evening.AddDate(0, 0, i)), evening.AddDate(0, 0, i), Options{})
	}
	file := filepath.Join(root, history.File)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, root, history.File, string(text[:len(text)-20]))
	n := end(t, begin(t, root, evening.AddDate(0, 0, 2)), evening.AddDate(0, 0, 2), Options{})
	if n.Before == nil || n.Before.Name != "2026-11-28" || !strings.Contains(strings.Join(n.Notes, "|"), "was cut off") {
		t.Errorf("%+v", n)
	}
	if nights, _, err := history.Load(root); err != nil || len(nights) != 2 || nights[1].Name != "2026-11-30" {
		t.Errorf("%v, %+v", err, nights)
	}
	if !strings.Contains(n.Mail, "was cut off") {
		t.Errorf("the mail of the night after it does not have it: %s", n.Mail)
	}
	for range 2 { // also if the night goes on after its end
		n = end(t, filepath.Join(root, "2026-11-30"), evening.AddDate(0, 0, 2), Options{})
		if !strings.Contains(n.Mail, "is damaged") {
			t.Errorf("ended again: %s", n.Mail)
		}
	}
	// The line stays, and is news once.
	n = end(t, begin(t, root, evening.AddDate(0, 0, 3)), evening.AddDate(0, 0, 3), Options{})
	page, err := os.ReadFile(filepath.Join(n.Dir, PageFile))
	if err != nil || n.Mail != "" || !strings.Contains(strings.Join(n.Notes, "|"), "is damaged") || !strings.Contains(string(page), "is damaged") {
		t.Errorf("%v, %q, mail: %s", err, n.Notes, n.Mail)
	}
}

// TestPrune: old nights go, and only what they wrote.
func TestPrune(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	put(t, outside, "file", "x")
	put(t, filepath.Join(root, "2026-11-01"), "mine", "x") // no night
	for i := range 5 {
		now := evening.AddDate(0, 0, i)
		dir := begin(t, root, now)
		put(t, dir, "matrix/results.x", "x")
		if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		n := end(t, dir, now, Options{Keep: 3})
		switch i {
		case 0:
			put(t, dir, "matrix/notes", "x")
			put(t, dir, "matrix/results.x", "changed since")
		case 3:
			if !slices.Equal(n.Removed, []string{filepath.Join(root, "2026-11-28")}) || !strings.Contains(strings.Join(n.Notes, "|"), "2026-11-28 stays, because it has 2 files") {
				t.Errorf("%q, %q", n.Removed, n.Notes)
			}
		case 4:
			if !slices.Equal(n.Removed, []string{filepath.Join(root, "2026-11-29")}) {
				t.Errorf("%q", n.Removed)
			}
		}
	}
	var left []string
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got, want := strings.Join(left, " "), "2026-11-01 2026-11-28 2026-11-30 2026-12-01 2026-12-02 history.jsonl latest"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	for _, name := range []string{filepath.Join(root, "2026-11-28/matrix/notes"), filepath.Join(root, "2026-11-28/matrix/results.x"), filepath.Join(root, "2026-11-01/mine"), filepath.Join(outside, "file")} {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "2026-11-28/link")); err == nil {
		t.Error("a link of the night stays")
	}
}

// TestMailFits: no line of a mail is wider than 72 columns, whatever the names are.
func TestMailFits(t *testing.T) {
	long := strings.Repeat("long日本", 40)
	n := &Night{Line: history.Night{Name: "2026-11-28", Lab: long, Machine: long, Failed: []string{long}}, Steps: []Step{{long, long}}, News: []string{long + " " + long}, Runs: []Run{{Name: long, Lines: []string{"\x1b[31m" + long}}}}
	for _, before := range []*history.Night{nil, {Name: "2026-11-27", Machine: "a"}} {
		n.Before = before
		mail := n.mail()
		for _, line := range strings.Split(mail, "\n") {
			if uniseg.StringWidth(line) > mailWidth || strings.TrimRight(line, " ") != line || strings.ContainsRune(line, '\x1b') {
				t.Errorf("%q", line)
			}
		}
		if !strings.HasPrefix(mail, "ldlab: ") {
			t.Error(mail)
		}
	}
}

// FuzzLine: every line fits, and no character is lost.
func FuzzLine(f *testing.F) {
	f.Add("a bc def", 67)
	f.Add("日本日本日本 x", 66)
	f.Fuzz(func(t *testing.T, text string, indent int) {
		l, text, indent := &letter{}, words.Clean(text), indent&63
		l.line(indent, text)
		lines := strings.Split(l.b.String(), "\n")
		for i, line := range lines {
			// A character may be wider than a line.
			if uniseg.StringWidth(line) > mailWidth && uniseg.GraphemeClusterCount(strings.TrimLeft(line, " ")) > 1 {
				t.Fatalf("line %d of %q at %d: %q", i, text, indent, line)
			}
		}
		if got, want := strings.Join(strings.Fields(strings.Join(lines, "")), ""), strings.Join(strings.Fields(text), ""); got != want {
			t.Fatalf("%q became %q", text, lines)
		}
	})
}

// TestUnits: systemd accepts the units of the documentation.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	out, err := exec.Command(analyze, "verify", "../../docs/systemd/ldlab-nightly.service", "../../docs/systemd/ldlab-nightly.timer").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}
