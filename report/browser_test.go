package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ldlab/ldlab/internal/history"
	"github.com/ldlab/ldlab/internal/testutil"
	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/matrix"
	"github.com/ldlab/ldlab/scenarios"
)

// A browser shows pages, and keeps what they complain about.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	noise []string
}

// newBrowser starts headless Chromium. It must not be root to have its sandbox, and
// the tests may be, so it has none: it only sees files of the tests.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	path := testutil.RequireProgram(t, "chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1400, 900), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithErrorf(func(string, ...any) {})) // it complains about events that are newer than it
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // it waits for the browser's end
		cancel()
	})
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			for _, arg := range e.Args {
				b.noise = append(b.noise, fmt.Sprintf("console: %s %s", e.Type, arg.Value))
			}
		case *runtime.EventExceptionThrown:
			b.noise = append(b.noise, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			b.noise = append(b.noise, fmt.Sprintf("log: %s %s", e.Entry.Level, e.Entry.Text))
		case *page.EventJavascriptDialogOpening:
			b.noise = append(b.noise, "dialog: "+e.Message)
		}
	})
	return b
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open shows a page from disk, and returns how long it took until it is there.
func (b *browser) open(text []byte, hash string) time.Duration {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		b.t.Fatal(err)
	}
	start := time.Now()
	b.do(chromedp.Navigate("file://"+file+hash), chromedp.WaitReady(`html[data-ready]`))
	return time.Since(start)
}

// eval returns the value of an expression.
func eval[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &v, chromedp.EvalIgnoreExceptions))
	return v
}

// until waits for a condition: what a key does is not done when the key is sent.
func (b *browser) until(condition string) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, chromedp.Poll(condition, nil, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.t.Fatalf("%s: %v", condition, err)
	}
}

// quiet fails the test if the page complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.noise {
		b.t.Error(n)
	}
	b.noise = nil
}

// shoot keeps a picture if LDLAB_SHOTS names a directory for it.
func (b *browser) shoot(name string) {
	b.t.Helper()
	dir := os.Getenv("LDLAB_SHOTS")
	if dir == "" {
		return
	}
	var shot []byte
	b.do(chromedp.CaptureScreenshot(&shot))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func dark(on bool) chromedp.Action {
	scheme := "light"
	if on {
		scheme = "dark"
	}
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}})
}

// TestPageInBrowser clicks and types through every view of a page.
func TestPageInBrowser(t *testing.T) {
	b := newBrowser(t)
	v, _ := Find("html")
	m := measurement(t)
	m.Matrix.Tables[0].Rows[4].Expect = "gap"
	m.History = handMadeHistory("bitmap")
	b.open(write(t, v, m), "")
	if got := eval[string](b, `document.querySelector("main li a").textContent`); !strings.Contains(got, "LEAK: bitmap x86_64 integrity@runtime kexec/load") {
		t.Errorf("looks first at %q", got)
	}
	views := eval[[]string](b, `[...document.querySelectorAll("nav a")].map((a) => a.textContent)`)
	if got := strings.Join(views, " "); got != "Overview Matrix Reasons Isolation Gaps Coverage Mutation Findings Review History Machines" {
		t.Errorf("views: %s", got)
	}
	for _, view := range views {
		b.do(chromedp.Click(`nav a[data-view=`+strings.ToLower(view)+`]`), chromedp.WaitVisible(`nav a[data-view=`+strings.ToLower(view)+`][aria-current]`))
		if n := eval[int](b, `document.querySelectorAll("main h2").length`); n == 0 {
			t.Errorf("%s is empty", view)
		}
		if view == "History" {
			b.charts()
		}
		b.accessible(view)
		b.shoot("view-" + strings.ToLower(view))
	}
	// A click opens a cell, with its control beside it; Escape goes back to it.
	b.do(chromedp.Click(`nav a[data-view=matrix]`), chromedp.WaitVisible(`.grid td.bad`), chromedp.Click(`.grid tbody tr:first-child td:nth-of-type(2)`), chromedp.WaitVisible(`dialog[open]`))
	for _, want := range []string{"devmem/open", "Control: none", "Observation: integrity@runtime", `open("x") = EPERM`, "EPERM", "1.5 ms", "qemu 2"} {
		if got := eval[string](b, `document.getElementById("dialog").textContent`); !strings.Contains(got, want) {
			t.Errorf("the cell does not have %q: %s", want, got)
		}
	}
	b.accessible("cell")
	b.shoot("cell")
	link := eval[string](b, `location.hash`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.activeElement.tagName + location.hash === "TD#matrix"`)
	b.keyboard()
	b.filters()
	b.open(write(t, v, m), link)
	if got := eval[string](b, `document.getElementById("cellhead").textContent`); !strings.HasPrefix(got, "devmem/open, bitmap x86_64, integrity@runtime") {
		t.Errorf("%s shows %q", link, got)
	}
	b.quiet()
}

// charts looks at the charts of the history: each has a name and a description, and a
// table of its numbers opens.
func (b *browser) charts() {
	b.t.Helper()
	named := eval[int](b, `[...document.querySelectorAll("main #nights svg[role=img]")].filter((s) => s.getAttribute("aria-labelledby").split(" ").every((id) => document.getElementById(id).textContent)).length`)
	drawn := eval[int](b, `[...document.querySelectorAll("main #nights svg")].filter((s) => s.getBoundingClientRect().width > 300).length`)
	if named != 3 || drawn != 3 {
		b.t.Errorf("%d charts are drawn, %d have a name and a description, want 3", drawn, named)
	}
	if fill := eval[string](b, `getComputedStyle(document.querySelector("#nights rect.bad")).fill`); fill != "rgb(179, 19, 29)" {
		b.t.Errorf("a bar is %s", fill)
	}
	b.do(chromedp.Click(`#nights summary`))
	if got := eval[string](b, `document.querySelector("#nights details[open] tbody tr:last-child").innerText`); !strings.Contains(got, "2026-11-28") {
		b.t.Errorf("the table of a chart ends with %q", got)
	}
}

// handMadeHistory has three nights of a kernel; in the second it did not run.
func handMadeHistory(kernel string) (list []history.Night) {
	for i, name := range []string{"2026-11-26", "2026-11-27", "2026-11-28"} {
		n := history.Night{Name: name, Begun: time.Date(2026, 11, 26+i, 20, 0, 0, 0, time.UTC), Lab: "v0", Table: "0123456789abcdef", Machine: "host: processor"}
		n.Ended = n.Begun.Add(time.Duration(i+1) * time.Hour)
		if i != 1 {
			n.Kernels = []history.Kernel{{Run: "matrix", Kernel: kernel, Arch: "x86_64", Base: "6.12.1", Counts: map[matrix.Verdict]int{matrix.Enforced: 9 - i, matrix.Leak: i, matrix.Known: 1, matrix.Flaky: i}}}
		} else {
			n.Failed = []string{"matrix"}
		}
		list = append(list, n)
	}
	return list
}

// keyboard opens and closes a cell without a mouse.
func (b *browser) keyboard() {
	b.t.Helper()
	b.do(chromedp.Focus(`.grid td[tabindex="0"]`), chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowDown))
	b.until(`document.activeElement.textContent + document.activeElement.parentElement.cells?.[0].textContent === "✗ LEAKkexec/load"`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("dialog[open] h2")?.textContent.startsWith("kexec/load")`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`location.hash === "#matrix" && document.activeElement.textContent === "✗ LEAK"`)
}

func (b *browser) filters() {
	b.t.Helper()
	for name, want := range map[string]string{
		"q=KEXEC/": "kexec/load", "v=LEAK": "kexec/load", "v=unproven": "kprobes/tracefs", "r=msr": "msr/write", "s=none&odd=1": "kexec/load kprobes/tracefs", "q=nothing": "",
		"s=integrity%40runtime&odd=1": "kexec/load kprobes/tracefs securityfs/lower", "v=known": "kexec/load", "v=flaky": "kprobes/tracefs", "by=reason": "dev_mem kexec msr", "k=bitmap+x86_64&q=devmem": "devmem/open kept/devmem",
	} {
		eval[bool](b, `(() => { location.hash = "#overview"; location.hash = "#matrix?`+name+`"; return true; })()`)
		b.do(chromedp.WaitReady(`#found`), chromedp.Poll(`document.getElementById("found").textContent !== ""`, nil))
		got := eval[string](b, `[...document.querySelectorAll(".grid tbody tr:not([hidden]) th")].map((x) => x.textContent).join(" ")`)
		if got != want {
			b.t.Errorf("#matrix?%s shows %q, want %q", name, got, want)
		}
	}
}

// accessible runs axe-core on what is shown, if LDLAB_AXE names its axe.min.js:
// make nightly fetches it.
func (b *browser) accessible(what string) {
	b.t.Helper()
	file := os.Getenv("LDLAB_AXE")
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		var found string
		b.do(dark(on), chromedp.Evaluate(string(text)+`; 0`, nil), chromedp.Evaluate(`axe.run().then((r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + n.failureSummary)).join("\n"))`, &found,
			func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if found != "" {
			b.t.Errorf("%s, dark %v: %s", what, on, found)
		}
	}
	b.do(dark(false))
}

// TestPageShowsTextOnly: what a guest or a mail wrote is text in every view, whatever
// markup it has, and the page loads nothing.
func TestPageShowsTextOnly(t *testing.T) {
	b := newBrowser(t)
	v, _ := Find("html")
	evil := `</script><script>alert(1)</script><img src=x onerror=alert(2)><b>bold</b><!-- <script>` + hostile + `"'&amp;${alert(3)}`
	m := poisoned(t, evil)
	m.History = handMadeHistory(m.Matrix.Tables[0].Kernel)
	m.Matrix.Tables[0].Arch = "x86_64"
	for i := range m.History {
		n := &m.History[i]
		n.Name, n.Lab, n.Table, n.Machine, n.Failed = evil, evil, evil, evil, []string{evil}
		for j := range n.Kernels {
			n.Kernels[j].Run, n.Kernels[j].Base = evil, evil
		}
	}
	for _, view := range []string{"overview", "history", "matrix", "reasons", "isolation", "gaps", "coverage", "mutation", "findings", "review", "machines", "cell"} {
		b.open(write(t, v, m), "#"+view)
		if view == "cell" {
			eval[bool](b, `(() => { location.hash = "#matrix"; return true; })()`)
			b.do(chromedp.WaitReady(`.grid td`))
			eval[bool](b, `(() => { document.querySelector(".grid td").click(); return true; })()`)
			b.do(chromedp.WaitReady(`dialog[open]`))
		}
		if n := eval[int](b, `document.querySelectorAll("img, b, main script, dialog script, iframe, object, link").length`); n > 0 {
			t.Errorf("%s: a guest made %d elements", view, n)
		}
		if n := eval[int](b, `performance.getEntriesByType("resource").length`); n > 0 {
			t.Errorf("%s: the page loads %d resources", view, n)
		}
		if slices.Contains([]string{"cell", "coverage", "mutation", "findings", "review"}, view) && !eval[bool](b, `document.body.innerText.includes("<b>bold</b>")`) {
			t.Errorf("%s: the text of the guest, or of the mail, is not shown", view)
		}
	}
	b.quiet()
	// The policy is in force: a script that got in anyway would not run.
	b.open(bytes.Replace(write(t, v, measurement(t)), []byte("</body>"), []byte("<script>document.title = 'in'</script></body>"), 1), "")
	if eval[string](b, `document.title`) == "in" {
		t.Error("another script runs")
	}
}

// plainTable is how many ms the browser needs for a plain table in a document without
// anything else: the best of three.
func (b *browser) plainTable() float64 {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"))
	return eval[float64](b, `(() => {
		let best = Infinity;
		for (let n = 0; n < 3; n++) {
			const start = performance.now(), table = document.createElement("table");
			for (let i = 0; i < 40; i++) {
				const row = table.insertRow();
				for (let j = 0; j < 20; j++) row.insertCell().textContent = "enforced";
			}
			document.body.append(table);
			document.body.offsetHeight;
			best = Math.min(best, performance.now() - start);
			table.remove();
		}
		return best;
	})()`)
}

// TestPageOfManyCells: 10 000 cells load in 2 s, are filtered in 100 ms, and are below
// 5 MB. The times are those of a machine that shows a plain table of 40 rows and 20
// columns in 15 ms; one that is slower, or busy, has as much more time, but at most four
// times as much.
func TestPageOfManyCells(t *testing.T) {
	v, _ := Find("html")
	m := Measurement{Matrix: manyCells(t)}
	text := write(t, v, m)
	if len(text) > 5<<20 {
		t.Errorf("%d bytes", len(text))
	}
	b := newBrowser(t)
	b.open(write(t, v, measurement(t)), "") // the browser's own start is not the page's
	plain := b.plainTable()
	load := b.open(text, "#matrix")
	b.do(chromedp.Poll(`document.querySelector("#found").textContent.startsWith("500 of 500 rows") && document.querySelector(".grid td")`, nil, chromedp.WithPollingInterval(20*time.Millisecond)))
	cells := eval[float64](b, `performance.now()`)
	var filters []float64
	found := eval[string](b, `(() => {
		const times = [], best = [], q = document.getElementById("f-q"), v = document.getElementById("f-v"), s = document.getElementById("f-odd");
		const set = (e, value) => { const start = performance.now(); e.value = value; e.dispatchEvent(new Event("input", { bubbles: true })); document.body.offsetHeight; times.push(performance.now() - start); };
		for (let i = 0; i < 3; i++) { // the best of three, because other processes run, too
			times.length = 0;
			for (const text of ["k", "ke", "kexec", "zzz", ""]) set(q, text);
			for (const text of ["LEAK", "enforced", ""]) set(v, text);
			for (const text of ["1", ""]) set(s, text);
			times.forEach((ms, j) => { best[j] = Math.min(ms, best[j] || ms); });
		}
		return JSON.stringify(best);
	})()`)
	// The last row can be reached, and is there when a page is printed.
	b.do(chromedp.Focus(`.grid td[tabindex="0"]`))
	end := eval[string](b, `(() => {
		for (let i = 0; i < 10; i++) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "PageDown", bubbles: true }));
		const rows = document.querySelector(".grid tbody").rows.length;
		const reached = document.activeElement.parentElement.getAttribute("aria-rowindex");
		dispatchEvent(new Event("beforeprint"));
		const all = document.querySelectorAll(".grid tbody tr").length;
		dispatchEvent(new Event("afterprint"));
		return reached + " " + (rows < 125) + " " + all + " " + document.activeElement.parentElement.getAttribute("aria-rowindex");
	})()`)
	if end != "126 true 500 126" {
		t.Errorf("the last row, whether fewer rows are drawn, all rows when printed, the last row again: %s", end)
	}
	if err := json.Unmarshal([]byte(found), &filters); err != nil {
		t.Fatal(err)
	}
	slower := min(max(1, plain/15), 4)
	t.Logf("%d bytes, ready after %v, cells after %.0f ms, filters %.0f ms, a plain table %.0f ms", len(text), load.Round(time.Millisecond), cells, filters, plain)
	if limit := 2000 * slower; cells > limit {
		t.Errorf("the cells are there after %.0f ms, more than %.0f ms", cells, limit)
	}
	for _, ms := range filters {
		if limit := 100 * slower; ms > limit {
			t.Errorf("a filter takes %.0f ms, more than %.0f ms", ms, limit)
		}
	}
	b.shoot("many")
	b.do(dark(true))
	b.shoot("many-dark")
	b.do(emulation.SetEmulatedMedia().WithMedia("print"))
	eval[bool](b, `dispatchEvent(new Event("beforeprint"))`)
	b.shoot("many-print")
	b.do(emulation.SetEmulatedMedia())
	b.quiet()
}

// manyCells is a matrix of 4 kernels, 125 probes and 20 settings, with observations.
func manyCells(t *testing.T) *matrix.Matrix {
	t.Helper()
	verdicts := []matrix.Verdict{matrix.Open, matrix.Enforced, matrix.Enforced, matrix.NotPlanned, matrix.OpenGap, matrix.Unavailable}
	m := &matrix.Matrix{Header: matrix.Header{Format: matrix.Format, Lab: "v0", Started: "2026-01-02T03:04:05Z"}}
	for k := range 4 {
		table := matrix.Table{Kernel: fmt.Sprintf("kernel-%d", k), Arch: "x86_64", Interface: lockdown.Bitmap}
		for i, r := range append([]lockdown.ReasonInfo{{Reason: "none"}}, lockdown.Reasons()[1:20]...) {
			text := string(r.Reason) + "@boot"
			if i == 0 {
				text = "none"
			}
			s, err := lockdown.ParseSetting(text)
			if err != nil {
				t.Fatal(err)
			}
			table.Columns = append(table.Columns, matrix.Column{Setting: s, Tries: 1, Command: fmt.Sprintf("qemu-system-x86_64 -machine q35 -append lockdown=%d", i), Shown: "[none] integrity confidentiality"})
		}
		for i, p := range scenarios.Rows()[:125] {
			row := matrix.TableRow{Probe: p.ID, Call: p.Call, Reason: p.Reason, Expect: p.Expect.String()}
			for j := range table.Columns {
				c := matrix.Cell{Judgment: matrix.Judgment{Verdict: verdicts[(i+j*k)%len(verdicts)]}}
				if i == 7 && j == 5 {
					c.Judgment = matrix.Judgment{Verdict: matrix.Leak, Rule: "leak", Why: p.Call + " = ok"}
				}
				c.Observed = &scenarios.Observation{Probe: p.ID, Comm: fmt.Sprintf("ldp-%d", i), Duration: int64(1000 * (i + j)), Report: scenarios.Report{Outcome: scenarios.Denied, Errno: "EPERM", Call: p.Call + " = EPERM"},
					Log:    []string{fmt.Sprintf("[%d.%06d] Lockdown: ldp-%04d: %s is restricted; see man kernel_lockdown.7", k, i*j, i, p.Reason)},
					Checks: []scenarios.Check{{Site: fmt.Sprintf("f%d+0x2a/0x40", i), Label: string(p.Reason), Checks: 1 + j, Denials: 1}}}
				row.Cells = append(row.Cells, c)
			}
			table.Rows = append(table.Rows, row)
		}
		m.Tables = append(m.Tables, table)
	}
	return m
}
