package engine

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ldlab/ldlab/lockdown"
)

// This file draws random scripts of lockdown's files and holds what a kernel
// answers against the model; model_test.go has the kernels.

// A player gives a kernel, fresh from boot and brought into the setting, a
// script, and returns it with the kernel's answers.
type player func(lockdown.Setting, []lockdown.Op) ([]lockdown.Op, error)

// A hunt looks for a script that a kernel answers otherwise than the model.
type hunt struct {
	kind     lockdown.Interface
	settings []lockdown.Setting // to begin in, the simplest first
	play     player

	scripts, steps, tries int                   // drawn and played; played to make one smaller
	found                 *lockdown.Unexplained // the smallest that was found
	in                    lockdown.Setting      // and where it begins
	err                   error                 // the hunt could not go on
	tried                 map[string]bool       // to no avail
	crossed               int                   // scripts in which those at once came in another order than written
}

// check is one random script. After a find there are no others: what rapid
// would shrink is the numbers that were drawn, with thousands of tries, and
// each would take a fork.
func (h *hunt) check(t *rapid.T) {
	if h.found == nil && h.err == nil {
		h.in = rapid.SampledFrom(h.settings).Draw(t, "setting")
		script := drawScript(t, h.kind)
		h.scripts, h.steps = h.scripts+1, h.steps+len(script)
		if h.differs(h.in, script) {
			h.shrink()
		}
	}
	if h.err != nil {
		t.Fatal(h.err)
	}
	if h.found != nil {
		t.Fatal("the kernel and the model differ")
	}
}

// differs plays a script and keeps it where the kernel differs, up to there.
func (h *hunt) differs(s lockdown.Setting, script []lockdown.Op) bool {
	answers, err := h.play(s, script)
	if err == nil {
		err = lockdown.Explain(h.kind, s, answers)
	}
	var un *lockdown.Unexplained
	switch {
	case err == nil:
		inOrder := slices.Clone(answers)
		for i := range inOrder {
			inOrder[i].Group = 0
			inOrder[i].Same = inOrder[i].Same && answers[i].Group == 0
		}
		if lockdown.Explain(h.kind, s, inOrder) != nil {
			h.crossed++
		}
	case errors.As(err, &un):
		h.found, h.in = un, s
		return true
	case h.found == nil:
		h.err = err
	}
	return false
}

// shrinkTime is how long a script may be made smaller. Where nothing boots,
// it takes no time at all.
const shrinkTime = time.Minute

// shrink makes the script that was found smaller as long as that can be done.
func (h *hunt) shrink() {
	h.tried = map[string]bool{}
	for end := time.Now().Add(shrinkTime); h.smaller(end); {
	}
}

// smaller finds one that is smaller and still shows a difference.
func (h *hunt) smaller(end time.Time) bool {
	again := func(s lockdown.Setting, script []lockdown.Op) bool {
		key := fmt.Sprintf("%s %#v", s, script)
		if h.tried[key] {
			return false
		}
		h.tried[key] = true
		tries := 1
		if slices.ContainsFunc(script, func(s lockdown.Op) bool { return s.Group != 0 }) {
			tries = 3 // who comes first is chance
		}
		for range tries {
			if time.Now().After(end) {
				return false
			}
			if h.tries++; h.differs(s, script) {
				return true
			}
		}
		return false
	}
	script := asked(h.found.Steps[:h.found.To])
	for _, s := range h.settings {
		if s.String() == h.in.String() {
			break
		}
		if again(s, script) {
			return true
		}
	}
	for candidate := range simpler(script) {
		if again(h.in, candidate) {
			return true
		}
	}
	return false
}

// report is the smallest difference that was found.
func (h *hunt) report() string {
	if h.found == nil {
		return "no difference"
	}
	return fmt.Sprintf("%s kernel, %s, %d tries:\n%s", h.kind, h.in, h.tries, h.found.Transcript())
}

// asked is a script without its answers.
func asked(steps []lockdown.Op) []lockdown.Op {
	steps = slices.Clone(steps)
	for i := range steps {
		if steps[i].Err = ""; steps[i].Call == "read" {
			steps[i].Data = ""
		}
	}
	return steps
}

// simpler gives scripts that are a little simpler than one.
func simpler(script []lockdown.Op) iter.Seq[[]lockdown.Op] {
	return func(yield func([]lockdown.Op) bool) {
		give := func(steps []lockdown.Op) bool {
			for i := range steps { // the first of what was on one descriptor may be gone
				if s := &steps[i]; s.Same && (i == 0 || steps[i-1].File != s.File || steps[i-1].Group != s.Group) {
					s.Same = false
				}
			}
			return yield(steps)
		}
		// Without some acts, without some writers or steps of one, without some steps.
		parts := lockdown.Parts(script)
		for rest := range without(parts) {
			if !give(slices.Concat(rest...)) {
				return
			}
		}
		for i, part := range parts {
			instead := func(steps []lockdown.Op) bool {
				return give(slices.Concat(slices.Concat(parts[:i]...), steps, slices.Concat(parts[i+1:]...)))
			}
			for rest := range without(lockdown.Writers(part)) {
				if !instead(slices.Concat(rest...)) {
					return
				}
			}
			after := slices.Clone(part)
			for j := range after {
				after[j].Group = 0
			}
			if part[0].Group != 0 && !instead(after) { // one after the other
				return
			}
		}
		for rest := range without(script) {
			if !give(rest) {
				return
			}
		}
		change := func(i int, f func(*lockdown.Op)) bool {
			steps := slices.Clone(script)
			f(&steps[i])
			return give(steps)
		}
		for i, s := range script {
			if s.At != 0 && !change(i, func(s *lockdown.Op) { s.At = 0 }) ||
				s.Same && !change(i, func(s *lockdown.Op) { s.Same = false }) {
				return
			}
			if s.Call != "write" {
				continue
			}
			if i > 0 && s.Same && script[i-1].Call == "write" { // two pieces as one
				joined := slices.Delete(slices.Clone(script), i, i+1)
				joined[i-1].Data += s.Data
				if !give(joined) {
					return
				}
			}
			for words := range without(strings.Split(s.Data, ",")) {
				if !change(i, func(s *lockdown.Op) { s.Data = strings.Join(words, ",") }) {
					return
				}
			}
			for rest := range without([]byte(s.Data)) {
				if !change(i, func(s *lockdown.Op) { s.Data = string(rest) }) {
					return
				}
			}
		}
	}
}

// pieces is how fine without cuts.
const pieces = 32

// without gives a list without one piece of it: all but the last of it first,
// which is where the difference came to light, then half of it, and so on.
func without[T any](list []T) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		if n := len(list); n > 2 && !yield(slices.Clone(list[n-1:])) {
			return
		}
		for n := (len(list) + 1) / 2; n > 0 && n*pieces >= len(list) && len(list) > 1; n /= 2 {
			for i := 0; i < len(list); i += n {
				if !yield(slices.Delete(slices.Clone(list), i, min(i+n, len(list)))) {
					return
				}
			}
		}
	}
}

// maxActs bounds a script; few get that far.
const maxActs = 80

// drawScript draws acts, and after each of them looks at everything.
func drawScript(t *rapid.T, kind lockdown.Interface) []lockdown.Op {
	var script []lockdown.Op
	acts, group := 0, 0
	t.Repeat(map[string]func(*rapid.T){"act": func(t *rapid.T) {
		if acts++; acts > maxActs {
			return
		}
		act := drawers[kind].act(t)
		for i := range act {
			if act[i].Group != 0 {
				act[i].Group += group
			}
		}
		group++
		script = append(script, act...)
		if kind == lockdown.Bitmap {
			script = append(script, lockdown.Op{Call: "read", File: lockdown.ReasonsFile})
		}
		script = append(script, lockdown.Op{Call: "read", File: lockdown.LevelFile})
	}})
	return script
}

// A choice is one of several, as often as its weight says. The first of
// several is what rapid shrinks to.
type choice[T any] struct {
	weight int
	draw   func(*rapid.T) T
}

func oneOf[T any](t *rapid.T, label string, choices ...choice[T]) T {
	var all []int
	for i, c := range choices {
		for range c.weight {
			all = append(all, i)
		}
	}
	return choices[rapid.SampledFrom(all).Draw(t, label)].draw(t)
}

func always[T any](v T) func(*rapid.T) T { return func(*rapid.T) T { return v } }

// A drawer draws acts on the files, each as often as it is among them.
type drawer struct{ files []string }

// drawers look where there is most to be seen: what raises the level as seldom
// as it can, for a level that is in force hides its reasons.
var drawers = map[lockdown.Interface]drawer{
	lockdown.Bitmap:   {[]string{lockdown.ReasonsFile, lockdown.LevelFile, lockdown.ReasonsFile, lockdown.ReasonsFile}},
	lockdown.Upstream: {[]string{lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.ReasonsFile}},
}

func (d drawer) file(t *rapid.T) string { return rapid.SampledFrom(d.files).Draw(t, "file") }

func (d drawer) write(t *rapid.T) lockdown.Op {
	file := d.file(t)
	return lockdown.Op{Call: "write", File: file, Data: drawText(t, file)}
}

// act draws what is done between two looks at everything.
func (d drawer) act(t *rapid.T) []lockdown.Op {
	return oneOf(t, "act",
		choice[[]lockdown.Op]{10, func(t *rapid.T) []lockdown.Op { return []lockdown.Op{d.write(t)} }},
		choice[[]lockdown.Op]{1, func(t *rapid.T) []lockdown.Op { // at an offset
			s := d.write(t)
			s.At = rapid.SampledFrom([]int64{1, 7, 4095, 4096, 1 << 20}).Draw(t, "at")
			return []lockdown.Op{s}
		}},
		choice[[]lockdown.Op]{2, func(t *rapid.T) []lockdown.Op { // a command in pieces
			s := d.write(t)
			cuts := rapid.SliceOfN(rapid.IntRange(0, len(s.Data)), 1, 3).Draw(t, "cuts")
			slices.Sort(cuts)
			var steps []lockdown.Op
			from := 0
			for i, cut := range append(cuts, len(s.Data)) {
				steps = append(steps, lockdown.Op{Call: "write", File: s.File, Data: s.Data[from:cut], Same: i > 0})
				from = cut
			}
			return steps
		}},
		choice[[]lockdown.Op]{2, func(t *rapid.T) []lockdown.Op { // several acts on one descriptor
			return d.session(t, rapid.IntRange(2, 4).Draw(t, "on one descriptor"), drawText)
		}},
		choice[[]lockdown.Op]{4, d.group},
	)
}

// session draws reads and writes on one descriptor.
func (d drawer) session(t *rapid.T, n int, text func(*rapid.T, string) string) []lockdown.Op {
	file := d.file(t)
	var steps []lockdown.Op
	for i := range n {
		s := lockdown.Op{Call: rapid.SampledFrom([]string{"write", "write", "read"}).Draw(t, "op"), File: file, Same: i > 0}
		if s.Call == "write" {
			s.Data = text(t, file)
		}
		if i > 0 && rapid.IntRange(0, 9).Draw(t, "p") == 9 {
			s.At = rapid.SampledFrom([]int64{1, 10, 600, 4096}).Draw(t, "at")
		}
		steps = append(steps, s)
	}
	return steps
}

// group draws writers, and readers among them, at one moment.
func (d drawer) group(t *rapid.T) []lockdown.Op {
	var group []lockdown.Op
	for range rapid.IntRange(2, lockdown.MaxWriters).Draw(t, "at once") {
		n := rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "steps")
		group = append(group, d.session(t, n, drawWish)...)
	}
	for i := range group {
		group[i].Group = 1
	}
	return group
}

// drawWish is mostly what can be granted: writers at once have to compete.
func drawWish(t *rapid.T, file string) string {
	return oneOf(t, "wish",
		choice[string]{8, func(t *rapid.T) string {
			if file == lockdown.LevelFile {
				return drawLevel(t)
			}
			return drawList(t)
		}},
		choice[string]{2, func(t *rapid.T) string { return drawText(t, file) }})
}

// drawText draws one command for a file: good, bad, or nearly good.
func drawText(t *rapid.T, file string) string {
	word := func(t *rapid.T) string {
		own, other := drawLevel, drawReasons
		if file == lockdown.ReasonsFile {
			own, other = other, own
		}
		return oneOf(t, "word", choice[string]{10, own}, choice[string]{1, other})
	}
	return oneOf(t, "text",
		choice[string]{10, word},
		choice[string]{4, func(t *rapid.T) string { return word(t) + "\n" }},
		choice[string]{6, func(t *rapid.T) string { return spoil(t, word(t)) }},
		choice[string]{3, func(t *rapid.T) string { return drawLong(t, file) }},
		choice[string]{1, always("")},
		choice[string]{1, func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"\n", "\x00", " ", ",", "\n\n", "\xff", "0", "bogus", "none,integrity"}).Draw(t, "junk")
		}},
	)
}

// drawLevel seldom draws the highest: above it there is nothing to be seen.
func drawLevel(t *rapid.T) string {
	return oneOf(t, "level", choice[string]{8, always("integrity")}, choice[string]{9, always("none")}, choice[string]{1, always("confidentiality")})
}

func drawReasons(t *rapid.T) string {
	return oneOf(t, "reasons",
		choice[string]{12, drawList},
		choice[string]{3, func(t *rapid.T) string { return badList(t, drawList(t)) }},
		choice[string]{1, drawWhole},
	)
}

// drawList draws a list of reasons, some of them more than once.
func drawList(t *rapid.T) string {
	words := rapid.SliceOfN(rapid.SampledFrom(lockdown.Tokens()), 1, 6).Draw(t, "reasons")
	if rapid.IntRange(0, 9).Draw(t, "twice") == 9 {
		words = append(words, words[0], words[0])
	}
	return strings.Join(words, ",")
}

// drawWhole draws every reason of a level, or all but one.
func drawWhole(t *rapid.T) string {
	level := rapid.SampledFrom([]lockdown.Level{lockdown.Integrity, lockdown.Integrity, lockdown.Integrity, lockdown.Confidentiality}).Draw(t, "of level")
	var words []string
	for _, r := range lockdown.Reasons() {
		if level.Locks(r.Reason) {
			words = append(words, string(r.Reason))
		}
	}
	if i := rapid.IntRange(-len(words), len(words)-1).Draw(t, "but"); i >= 0 {
		words = append(words[:i], words[i+1:]...)
	}
	return strings.Join(words, ",")
}

// badList puts a word that is none into a list, or other separators.
func badList(t *rapid.T, list string) string {
	words := strings.Split(list, ",")
	if sep := rapid.SampledFrom([]string{",", ", ", " ", ",,", ";", "\n", ",\n", "\t", "\x00"}).Draw(t, "separator"); sep != "," {
		return strings.Join(append(words, "msr"), sep)
	}
	bad := rapid.SampledFrom([]string{"", "bogus", "none", "integrity", "confidentiality", "all", "2", "-msr", "!msr", "msr=open",
		"/dev/mem,kmem,port", "raw MSR access", "ms", "msrs", "integrity_max"}).Draw(t, "bad")
	i := rapid.IntRange(0, len(words)).Draw(t, "where")
	return strings.Join(append(words[:i:i], append([]string{bad}, words[i:]...)...), ",")
}

// spoil makes a good command one that is nearly good, or that looks bad.
func spoil(t *rapid.T, s string) string {
	cut := func(by int) func(*rapid.T) string { return always(s[:max(0, len(s)-by)]) }
	return oneOf(t, "spoil",
		choice[string]{2, always(strings.ToUpper(s))},
		choice[string]{2, func(t *rapid.T) string { // one letter
			i := rapid.IntRange(0, max(0, len(s)-1)).Draw(t, "letter")
			return s[:i] + strings.ToUpper(s[i:min(i+1, len(s))]) + s[min(i+1, len(s)):]
		}},
		choice[string]{8, func(t *rapid.T) string {
			blank := rapid.SampledFrom([]string{" ", "\t", "\n", "\r", "\v", "\x00", ",", "\u00a0", "\xff", "  "}).Draw(t, "blank")
			if rapid.Bool().Draw(t, "behind") {
				return s + blank
			}
			return blank + s
		}},
		choice[string]{3, func(t *rapid.T) string {
			return s + rapid.SampledFrom([]string{"\n\n", "\r\n", " \n", "\n ", "\x00\n", "\n\x00", "\x00junk", "\x00\x00", ",\n", "\n,"}).Draw(t, "end")
		}},
		choice[string]{1, cut(1)},
		choice[string]{1, always(s + s)},
		choice[string]{1, always("[" + s + "]")},
		choice[string]{1, always(`"` + s + `"`)},
		choice[string]{1, always(strings.NewReplacer("k", "\u212a", "s", "\u017f").Replace(s))}, // equal to k and s where case is folded
		choice[string]{1, always(strings.ReplaceAll(s, "_", "-"))},
	)
}

// drawLong draws commands about as long as the reasons file takes, and longer.
func drawLong(t *rapid.T, file string) string {
	n := rapid.SampledFrom([]int{4096, 4095, 4097, 4098, 5000, 8192}).Draw(t, "bytes")
	if file == lockdown.ReasonsFile {
		return oneOf(t, "long",
			choice[string]{3, always(sized(n))},
			choice[string]{3, always(sized(n-1) + "\n")},
			choice[string]{1, always(sized(n-1) + ",")},
			choice[string]{1, always("msr" + strings.Repeat("\x00", n-3))},
			choice[string]{1, always("msr" + strings.Repeat("\n", n-3))})
	}
	return oneOf(t, "long",
		choice[string]{2, always("integrity" + strings.Repeat("\x00", n-9))},
		choice[string]{1, always("integrity\n" + strings.Repeat("\x00x", n/2-5))},
		choice[string]{1, always("integrity" + strings.Repeat("\n", n-9))},
		choice[string]{1, always("integrity" + strings.Repeat(" ", n-9))},
		choice[string]{1, always(strings.Repeat("x", n))})
}

// sized is a list of reasons of so many bytes.
func sized(n int) string {
	last := []string{"perf", "kexec", "ioport", "msr"}[n%4]
	return strings.Repeat("msr,", (n-len(last))/4) + last
}

// TestSized: the generator means what it says of lengths.
func TestSized(t *testing.T) {
	for n := 4090; n < 4100; n++ {
		s := sized(n)
		m := lockdown.NewModel(lockdown.Bitmap, lockdown.Setting{})
		got := m.Answer(lockdown.Op{Call: "write", File: lockdown.ReasonsFile, Data: s}).Err
		if len(s) != n || got != map[bool]string{true: "EINVAL"}[n > 4096] {
			t.Errorf("%d bytes for %d: %q", len(s), n, got)
		}
	}
}
