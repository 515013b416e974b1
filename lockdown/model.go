package lockdown

import (
	"slices"
	"strings"
)

// A Model answers like lockdown's interface in securityfs does, without a
// kernel: security/lockdown/lockdown.c of mainline v6.12, of the lab's bitmap
// series, and of the posted one.
type Model struct {
	kind   Kind
	locked map[Reason]bool
	// marks are the bits of the posted series that stand for whole levels:
	// there a level is shown because it was written, not because its reasons
	// are locked.
	marks map[Level]bool
}

// NewModel is a kernel of the kind in the setting, fresh from boot.
func NewModel(k Kind, s Setting) *Model {
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
	var s Setting
	for _, r := range reasons {
		if m.locked[r.Reason] {
			s.Reasons = append(s.Reasons, r.Reason)
		}
	}
	return s.Shown()
}

// Locked reports whether the model's kernel refuses the reason.
func (m *Model) Locked(r Reason) bool { return m.locked[r] }

// Answer does a step and returns it with the kernel's answer filled in: the
// data read, the errno.
func (m *Model) Answer(s Step) Step {
	s.Err = ""
	switch {
	case s.Op == "read" && s.File == LevelFile:
		s.Data = m.showLevel()
	case s.Op == "read" && s.File == ReasonsFile && m.kind == Bitmap:
		s.Data = m.showReasons()
	case s.Op == "write" && s.File == LevelFile:
		s.Err = m.writeLevel(s.Data)
	case s.Op == "write" && s.File == ReasonsFile && m.kind == Bitmap:
		s.Err = m.writeReasons(s.Data)
	default:
		s.Err = "ENOENT"
	}
	return s
}

// showLevel is lockdown_read.
func (m *Model) showLevel() string {
	var words []string
	for _, l := range []Level{None, Integrity, Confidentiality} {
		marked := m.level() == l
		if m.kind == Posted {
			marked = m.marks[l]
		}
		if marked {
			words = append(words, "["+l.String()+"]")
		} else {
			words = append(words, l.String())
		}
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

// writeLevel is lockdown_write and lock_kernel_down: what follows a NUL is not
// seen (memdup_user_nul), one newline is stripped, the rest must be a level's
// name to the letter, and it must be higher than the level in force.
func (m *Model) writeLevel(data string) string {
	data, _, _ = strings.Cut(data, "\x00")
	l, err := ParseLevel(strings.TrimSuffix(data, "\n"))
	switch {
	case err != nil:
		return "EINVAL"
	case m.kind != Posted && m.level() >= l:
		return "EPERM"
	}
	for _, r := range reasons {
		if r.Level <= l {
			m.locked[r.Reason] = true
		}
	}
	m.mark(l)
	return ""
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
