package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/ldlab/ldlab/internal/engine"
	"github.com/ldlab/ldlab/kernels"
)

// A UI reads the events of a run. It redraws bars on a terminal, and prints a
// line for each event elsewhere. Results never come from it.
type UI struct {
	out  io.Writer
	bars *mpb.Progress // nil: plain lines
	text *Printable    // writes to the bars or to out

	mu     sync.Mutex
	closed bool
	bar    *mpb.Bar // the current bar
	of     string   // its activity
	step   string   // the text at its end
	phase  map[string]string
	shown  time.Time // when the build last had a line
}

// plainInterval is how often the progress of a build is shown, in plain lines.
const plainInterval = 30 * time.Second

// New returns a UI that draws on out, if that is a terminal, or prints lines.
func New(out io.Writer) *UI {
	u := &UI{out: out, phase: map[string]string{}}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		u.bars = mpb.New(mpb.WithOutput(out), mpb.WithAutoRefresh())
	}
	u.text = &Printable{out: u.out}
	if u.bars != nil {
		u.text.out = u.bars
	}
	return u
}

// Event handles one event; it may be called from several goroutines.
func (u *UI) Event(e engine.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
	case e.Note != "":
		u.line(e.Note)
	case e.Build != nil:
		u.build(*e.Build)
	case e.Guest != nil:
		u.guest(*e.Guest)
	case e.Console != nil:
		u.console(e.Console)
	}
}

// console prints the guests' consoles between the bars. They are escaped,
// because guests may send escape sequences; only the file has them raw.
func (u *UI) console(b []byte) { _, _ = u.text.Write(b) }

// line prints a line of the lab's. It may quote a guest.
func (u *UI) line(text string) {
	_ = u.text.Flush()
	if u.text.line > 0 { // an incomplete line of a guest
		text = "\n" + text
	}
	_, _ = u.text.Write([]byte(text + "\n"))
}

func (u *UI) build(e kernels.Event) {
	of := e.Kernel + " " + e.Arch
	if e.Phase == kernels.Noting {
		u.line(of + ": " + e.Message)
		return
	}
	if u.bars != nil {
		u.fill(of+" "+string(e.Phase), e.Message, e.Done, e.Total)
		return
	}
	if u.phase[of] == string(e.Phase) && time.Since(u.shown) < plainInterval {
		return
	}
	u.phase[of], u.shown = string(e.Phase), time.Now()
	text := of + ": " + string(e.Phase)
	if e.Message != "" {
		text += " " + e.Message
	}
	if f := e.Fraction(); f > 0 {
		text += fmt.Sprintf(" %.0f%%", 100*f)
	}
	if e.ETA > 0 {
		text += fmt.Sprintf(", %s left", e.ETA)
	}
	u.line(text)
}

func (u *UI) guest(e engine.GuestEvent) {
	text := fmt.Sprintf("%s: %s in %.1f s", strings.TrimSpace(e.Guest.ID()+" "+e.Mutant), e.Outcome, e.Took.Seconds())
	if u.bars == nil {
		u.line(fmt.Sprintf("%d/%d %s", e.Done, e.Total, text))
		return
	}
	u.line(text)
	u.fill("guests", "", int64(e.Done), int64(e.Total))
}

// fill updates the bar of an activity; a new activity gets a new bar.
func (u *UI) fill(of, step string, done, total int64) {
	if u.bar == nil || u.of != of {
		u.dropBar()
		u.of = of
		u.bar = u.bars.New(max(total, 1), mpb.BarStyle(),
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(of+" ")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO),
				decor.Any(func(decor.Statistics) string { return " " + u.stepText() })))
	}
	u.step = step
	u.bar.SetTotal(max(total, done+1), false)
	u.bar.SetCurrent(done)
}

// stepText is called by the drawing goroutine, which does not hold the lock of
// event. Its step may be one redraw old.
func (u *UI) stepText() string {
	if !u.mu.TryLock() {
		return ""
	}
	defer u.mu.Unlock()
	return fmt.Sprintf("%.40s", u.step)
}

func (u *UI) dropBar() {
	if u.bar != nil {
		u.bar.Abort(true)
		u.bar = nil
	}
}

// Close removes the bars; nothing is drawn afterwards. It may be called twice.
func (u *UI) Close() {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	u.closed = true
	u.dropBar()
	u.mu.Unlock()
	if u.bars != nil {
		u.bars.Wait()
	}
}
