package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldlab/ldlab/lockdown"
	"pgregory.net/rapid"
)

// drawSequence draws operations and reads every file after each draw.
func drawSequence(t *rapid.T, iface lockdown.Interface) []lockdown.Op {
	var sequence []lockdown.Op
	draws, group := 0, 0
	t.Repeat(map[string]func(*rapid.T){"draw": func(t *rapid.T) {
		if draws++; draws > maxDraws {
			return
		}
		ops := drawers[iface].draw(t)
		for i := range ops {
			if ops[i].Group != 0 {
				ops[i].Group += group
			}
		}
		group++
		sequence = append(sequence, ops...)
		if iface == lockdown.Bitmap {
			sequence = append(sequence, lockdown.Op{Call: "read", File: lockdown.ReasonsFile})
		}
		sequence = append(sequence, lockdown.Op{Call: "read", File: lockdown.LevelFile})
	}})
	return sequence
}

// A choice is an alternative with a weight. rapid shrinks to the first one.
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

// A drawer draws operations on files, each as often as it is listed.
type drawer struct{ files []string }

// drawers favour informative operations: the level is raised as seldom as
// possible, because a level hides its reasons.
var drawers = map[lockdown.Interface]drawer{
	lockdown.Bitmap:   {[]string{lockdown.ReasonsFile, lockdown.LevelFile, lockdown.ReasonsFile, lockdown.ReasonsFile}},
	lockdown.Upstream: {[]string{lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.LevelFile, lockdown.ReasonsFile}},
}

func (d drawer) file(t *rapid.T) string { return rapid.SampledFrom(d.files).Draw(t, "file") }

func (d drawer) write(t *rapid.T) lockdown.Op {
	file := d.file(t)
	return lockdown.Op{Call: "write", File: file, Data: drawText(t, file)}
}

// draw draws the operations between two reads of every file.
func (d drawer) draw(t *rapid.T) []lockdown.Op {
	return oneOf(t, "draw",
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
		choice[[]lockdown.Op]{2, func(t *rapid.T) []lockdown.Op { // several draws on one descriptor
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

// group draws concurrent writers, with readers among them.
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

// drawWish mostly draws permitted commands, so that concurrent writers compete.
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

// drawText draws one command for a file: valid, invalid, or nearly valid.
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

// drawLevel seldom draws the highest level, which hides everything else.
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

// badList puts an unknown word into a list, or uses other separators.
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

// spoil changes a valid command into one that is nearly valid, or that looks
// invalid.
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

// drawLong draws commands of about the longest permitted length, and longer
// ones.
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

// sized returns a list of reasons with a length of n bytes.
func sized(n int) string {
	last := []string{"perf", "kexec", "ioport", "msr"}[n%4]
	return strings.Repeat("msr,", (n-len(last))/4) + last
}

// TestSized: the generated lengths are as requested.
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
