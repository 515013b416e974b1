package lockdown

import (
	"slices"
	"strings"
)

// A Model answers like lockdown's interface in securityfs does, without a
// kernel: security/lockdown/lockdown.c of mainline v6.12, of the lab's bitmap
// series, and of the posted one.
type Model struct {
	kind   Interface
	locked map[Reason]bool
	// marks are the bits of the posted series that stand for whole levels:
	// there a level is shown because it was written, not because its reasons
	// are locked.
	marks map[Level]bool
	fd    descriptor // of the last step
}

// A descriptor is an open file of the interface.
type descriptor struct {
	file string
	pos  int // reads move it, writes do not
}

// NewModel is a kernel of the kind in the setting, fresh from boot.
func NewModel(k Interface, s Setting) *Model {
	m := &Model{kind: k, locked: map[Reason]bool{}, marks: map[Level]bool{}}
	for _, r := range reasons {
		m.locked[r.Reason] = s.Locks(r.Reason)
	}
	if s.Level != None {
		m.mark(s.Level)
	}
	return m
}

// mark sets the bits 1 to level, as the posted series' wildcard does. Bit 0,
// none, is set only by writing "none".
func (m *Model) mark(l Level) {
	for below := Integrity; below <= l; below++ {
		m.marks[below] = true
	}
	if l == None {
		m.marks[None] = true
	}
}

// level is the highest level of which every reason is locked.
func (m *Model) level() Level {
	level := Confidentiality
	for _, r := range reasons {
		if !m.locked[r.Reason] && r.Level <= level {
			level = r.Level - 1
		}
	}
	return level
}

// Locked reports whether the model's kernel refuses the reason.
func (m *Model) Locked(r Reason) bool { return m.locked[r] }

// Answer does a step and returns it with the kernel's answer filled in: the
// data read, the errno. It takes steps one after the other, those of a group
// too; Explain knows better.
func (m *Model) Answer(s Op) Op {
	if !s.Same || s.File != m.fd.file {
		m.fd = descriptor{file: s.File}
	}
	return m.answer(s, &m.fd)
}

// answer does a step on a descriptor.
func (m *Model) answer(s Op, fd *descriptor) Op {
	s.Err = ""
	there := s.File == LevelFile || s.File == ReasonsFile && m.kind == Bitmap
	switch {
	case !there:
		s.Err = "ENOENT" // of the open(2)
		if s.Call == "read" {
			s.Data = ""
		}
	case s.Call == "read" && s.File == LevelFile:
		s.Data = fd.read(m.showLevel(m.marked), s.At)
	case s.Call == "read":
		s.Data = fd.read(m.showReasons(), s.At)
	case s.File == LevelFile:
		s.Err = m.writeLevel(s.Data)
	case s.At != 0 || fd.pos != 0:
		s.Err = "EINVAL" // lockdown_reasons_write takes whole commands: only offset 0
	default:
		s.Err = m.writeReasons(s.Data)
	}
	return s
}

// read reads a text to its end, from where the descriptor is or from at.
func (fd *descriptor) read(text string, at int64) string {
	if at != 0 {
		return text[min(at, int64(len(text))):]
	}
	text = text[min(fd.pos, len(text)):]
	fd.pos += len(text)
	return text
}

// marked reports whether the level is shown in brackets.
func (m *Model) marked(l Level) bool {
	if m.kind == BitmapV1 {
		return m.marks[l]
	}
	return m.level() == l
}

// showLevel is lockdown_read, which asks for each level in turn whether it is
// the one in force.
func (m *Model) showLevel(marked func(Level) bool) string {
	var words []string
	for l := range levelNames {
		word := Level(l).String()
		if marked(Level(l)) {
			word = "[" + word + "]"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ") + "\n"
}

// showReasons is the bitmap series' list of reasons.
func (m *Model) showReasons() string {
	var b strings.Builder
	for _, r := range reasons {
		state := "open"
		if m.locked[r.Reason] {
			state = "locked"
		}
		b.WriteString(string(r.Reason) + " " + state + "\n")
	}
	return b.String()
}

// writeLevel is lockdown_write and lock_kernel_down.
func (m *Model) writeLevel(data string) string {
	l, err := m.admit(data)
	if err == "" {
		m.store(l)
	}
	return err
}

// admit is their first half: what follows a NUL is not seen (memdup_user_nul),
// one newline is stripped, the rest must be a level's name to the letter, and
// it must be higher than the level in force.
func (m *Model) admit(data string) (l Level, errno string) {
	data, _, _ = strings.Cut(data, "\x00")
	l, err := ParseLevel(strings.TrimSuffix(data, "\n"))
	switch {
	case err != nil:
		return l, "EINVAL"
	case m.kind != BitmapV1 && m.level() >= l:
		return l, "EPERM"
	}
	return l, ""
}

// store is their second half. In mainline it is an assignment, whatever was
// stored since admit looked.
func (m *Model) store(l Level) {
	for _, r := range reasons {
		m.locked[r.Reason] = r.Level <= l || m.kind != Upstream && m.locked[r.Reason]
	}
	m.mark(l)
}

// maxReasons bounds one write to the reasons file, in bytes: a page.
const maxReasons = 4096

// writeReasons locks every reason named, or none at all.
func (m *Model) writeReasons(data string) string {
	if len(data) > maxReasons {
		return "EINVAL"
	}
	words := strings.Split(strings.TrimSuffix(data, "\n"), ",")
	if slices.ContainsFunc(words, func(w string) bool { _, ok := Info(Reason(w)); return !ok }) {
		return "EINVAL"
	}
	for _, w := range words {
		m.locked[Reason(w)] = true
	}
	return ""
}
