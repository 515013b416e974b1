package lockdown

import (
	"fmt"
	"slices"
	"strings"
)

// A Model answers like lockdown's files in securityfs, without a kernel. It
// models security/lockdown/lockdown.c of mainline v6.12, of the lab's bitmap
// series and of bitmap-v1.
type Model struct {
	iface  Interface
	has    []ReasonInfo // in the kernel's order
	locked map[Reason]bool
	// marks are the levels that were put in force, and those below. Bitmap-v1
	// shows each of them, and bitmap the highest.
	marks map[Level]bool
	fd    descriptor // of the last operation
}

// A descriptor is an open lockdown file.
type descriptor struct {
	file string
	pos  int // reads move it, writes do not
	seq  int // of bitmap: where the last read of the reasons ended (struct seq_file, read_pos)
}

// NewModel returns a freshly booted kernel with the interface in the setting, and
// with the lab's reasons.
func NewModel(k Interface, s Setting) *Model { return KernelReasons(nil).NewModel(k, s) }

// NewModel returns a freshly booted kernel that has these reasons.
func (k KernelReasons) NewModel(face Interface, s Setting) *Model {
	m := &Model{iface: face, has: k.List(), locked: map[Reason]bool{}, marks: map[Level]bool{}}
	for _, r := range m.has {
		m.locked[r.Reason] = k.Locks(s, r.Reason)
	}
	if s.Level != None {
		m.mark(s.Level)
	}
	return m
}

// mark sets the bits 1 to level, as the wildcard of bitmap-v1 does. Bit 0,
// none, is set only by writing "none".
func (m *Model) mark(l Level) {
	for below := Integrity; below <= l; below++ {
		m.marks[below] = true
	}
	if l == None {
		m.marks[None] = true
	}
}

// level is the level in force: in mainline the one stored last, in the bitmap
// series the highest that was asked for. It does not follow from reasons.
func (m *Model) level() Level {
	switch {
	case m.marks[Confidentiality]:
		return Confidentiality
	case m.marks[Integrity]:
		return Integrity
	}
	return None
}

// Locked reports whether the model denies the reason.
func (m *Model) Locked(r Reason) bool { return m.locked[r] }

// Answer performs an operation and returns it with the data read and the errno.
// It performs the operations of a group in order; Explain tries every order.
func (m *Model) Answer(s Op) Op {
	if !s.Same || s.File != m.fd.file {
		m.fd = descriptor{file: s.File}
	}
	return m.answer(s, &m.fd)
}

// answer performs an operation on a descriptor.
func (m *Model) answer(s Op, fd *descriptor) Op {
	s.Err = ""
	there := s.File == LevelFile || s.File == ReasonsFile && m.iface.ListsReasons()
	switch {
	case !there:
		s.Err = "ENOENT" // of the open(2)
		if s.Call == "read" {
			s.Data = ""
		}
	case s.Call == "read" && s.File == LevelFile:
		s.Data = fd.read(m.showLevel(m.marked), s.At)
	case s.Call == "read":
		s.Data = fd.readSeq(m.showReasons(), s.At)
	case s.File == LevelFile:
		s.Err = m.writeLevel(s.Data)
	case s.At != 0:
		s.Err = "ESPIPE" // of pwrite(2), because seq_open takes FMODE_PWRITE away
	default:
		s.Err = m.writeReasons(s.Data)
	}
	return s
}

// read returns a text from offset at, or from the descriptor's position, to its
// end.
func (fd *descriptor) read(text string, at int64) string {
	if at != 0 {
		return text[min(at, int64(len(text))):]
	}
	text = text[min(fd.pos, len(text)):]
	fd.pos += len(text)
	return text
}

// readSeq is a read of a seq_file with one record. Where the last read ended, the
// record is over, even if its text has become longer; at another offset it is
// made anew.
func (fd *descriptor) readSeq(text string, at int64) string {
	off := int(at)
	if at == 0 {
		off = fd.pos
	}
	if off > 0 && off == fd.seq {
		return ""
	}
	got := fd.read(text, at)
	fd.seq = max(len(text), off)
	return got
}

// marked reports whether the level is shown in brackets.
func (m *Model) marked(l Level) bool {
	if m.iface == BitmapV1 {
		return m.marks[l]
	}
	return m.level() == l
}

// showLevel is lockdown_read, which compares each level with the level in
// force.
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

// showReasons is the list of reasons of the bitmap series.
func (m *Model) showReasons() string {
	var b strings.Builder
	for _, r := range m.has {
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

// admit is the first half of lock_kernel_down: memdup_user_nul drops everything
// after a NUL, one newline is stripped, the rest must be exactly a level's
// name, and the level must be higher than the one in force.
func (m *Model) admit(data string) (l Level, errno string) {
	data, _, _ = strings.Cut(data, "\x00")
	l, err := ParseLevel(strings.TrimSuffix(data, "\n"))
	switch {
	case err != nil:
		return l, "EINVAL"
	case m.iface != BitmapV1 && m.level() >= l:
		return l, "EPERM"
	}
	return l, ""
}

// store is the second half. In mainline it is a plain assignment, even if
// another writer stored since admit.
func (m *Model) store(l Level) {
	for _, r := range m.has {
		m.locked[r.Reason] = r.Level <= l || m.iface != Upstream && m.locked[r.Reason]
	}
	if m.iface == Upstream {
		clear(m.marks)
	}
	m.mark(l)
}

// maxReasons bounds one write to the reasons file, in bytes: one page.
const maxReasons = 4096

// writeReasons locks every reason named, or none if one is unknown.
func (m *Model) writeReasons(data string) string {
	if len(data) > maxReasons {
		return "EINVAL"
	}
	words := strings.Split(strings.TrimSuffix(data, "\n"), ",")
	has := func(w string) bool {
		return slices.ContainsFunc(m.has, func(r ReasonInfo) bool { return string(r.Reason) == w })
	}
	if slices.ContainsFunc(words, func(w string) bool { return !has(w) }) {
		return "EINVAL"
	}
	for _, w := range words {
		m.locked[Reason(w)] = true
	}
	return ""
}

// Difference shows the first line in which what a file of lockdown reads differs from what
// the model answers.
func Difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) {
			return fmt.Sprintf("no line %d, want %q", i+1, w[i])
		}
		if w[i] != g[i] {
			return fmt.Sprintf("%q, want %q", g[i], w[i])
		}
	}
	return fmt.Sprintf("%q after the last line", strings.Join(g[len(w):], "\n"))
}
