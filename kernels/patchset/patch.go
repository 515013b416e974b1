package patchset

import (
	"fmt"
	"slices"
	"strings"
)

// Title is the subject without the tags in front of it.
func (p Patch) Title() string { return p.mail.title }

// Text is the patch as a mail without encodings: what checkpatch reads.
func (p Patch) Text() []byte {
	if p.Subject == "" {
		return p.mail.text
	}
	return fmt.Appendf(nil, "From: %s\nSubject: %s\n\n%s", p.mail.from, p.Subject, p.mail.text)
}

// Files lists the files that the patch changes, as paths in the source tree: of a file
// that it renames, both names.
func (p Patch) Files() (list []string) {
	for _, f := range p.files {
		for _, name := range []string{stripPrefix(f.OldName), stripPrefix(f.NewName)} {
			if name != "" && !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// A Hunk is one hunk of a patch.
type Hunk struct {
	File  string
	Head  string   // what stands behind the second @@: the function, mostly
	Lines []string // with their first character, and without line ends
}

// Hunks lists the hunks of a patch, in order.
func (p Patch) Hunks() (list []Hunk) {
	for _, f := range p.files {
		name := stripPrefix(f.NewName)
		if name == "" {
			name = stripPrefix(f.OldName)
		}
		for _, t := range f.TextFragments {
			h := Hunk{File: name, Head: t.Comment}
			for _, l := range t.Lines {
				h.Lines = append(h.Lines, strings.TrimRight(l.Op.String()+l.Line, "\r\n"))
			}
			list = append(list, h)
		}
	}
	return list
}
