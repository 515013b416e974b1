package patchset

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/ldlab/ldlab/kernels/internal/strict"
)

// A found is a message with a change in it, a cover letter, or a message that cannot be
// read.
type found struct {
	mail
	patch Patch
	err   error    // why it is no patch. It fails the series only if the message is taken
	notes []string // what is strange in the mail, if it is taken
}

// changes reports whether the message has a change in it.
func (f found) changes() bool { return f.patch.files != nil }

// messages takes a patch file or a mailbox apart into its messages, and leaves out
// replies without a change. The error is one of the whole file; that of a message is in
// it, because the message may be none that is needed.
func (rd Reader) messages(name string, data []byte) (all []found, err error) {
	data = withoutMark(data)
	if text := packing(data); text != "" {
		return nil, fmt.Errorf("parse patch %s: %s", name, text)
	}
	chunks := splitMailbox(data)
	for i, c := range chunks {
		p := Patch{Name: name, Data: data[c.start:c.end]}
		if len(chunks) > 1 {
			p.Name = fmt.Sprintf("%s#%d", name, i+1)
		}
		more := rd.message(p, c.message(data))
		if len(more) > 0 && c.unknown > 0 {
			more[0].notes = append(more[0].notes, fmt.Sprintf("%s: line %d may start another mail, but its \"From \" line has no known date, so both are read as one mail", p.Name, c.unknown))
		}
		all = append(all, more...)
	}
	return all, nil
}

// message reads one message: the patches in it, mostly one.
func (rd Reader) message(p Patch, text []byte) []found {
	m, err := parseMail(text)
	p.mail, p.Subject = m, m.subject
	f := found{mail: m, patch: p}
	failed := func(err error) []found {
		f.err = strict.Error(fmt.Errorf("parse patch %s: %w", p.Name, err))
		return []found{f}
	}
	if m.reply || m.number == 0 {
		if err == nil && bytes.Contains(m.text, []byte("\n@@ -")) {
			f.patch.files = []*gitdiff.File{} // it may not be a good one, but nobody applies it
		}
		if m.number == 0 && !m.reply || f.changes() {
			return []found{f}
		}
		return nil
	}
	if err != nil {
		return failed(err)
	}
	if m.flowed {
		f.notes = append(f.notes, p.Name+" is format=flowed, by which mail programs change blanks; that is undone")
	}
	if f.patch.files, err = changes(m.text); err != nil {
		return failed(err)
	}
	if !f.changes() && len(m.attached) > 0 {
		more, err := rd.attachments(p.Name, m, p.Data)
		if err != nil {
			return failed(err)
		}
		if len(more) > 0 {
			return more
		}
	}
	if !f.changes() {
		return failed(&noChangeError{m.skipped})
	}
	return []found{f}
}

// parse reads the messages of a file that must have a patch.
func (rd Reader) parse(name string, data []byte) ([]found, error) {
	all, err := rd.messages(name, data)
	if err == nil && !slices.ContainsFunc(all, found.changes) {
		err = nothing(all)
	}
	for _, f := range all {
		if err == nil && f.err != nil && !isEmpty(f.err) {
			err = f.err
		}
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// A noChangeError is a text without a diff.
type noChangeError struct {
	skipped []string // parts of the mail that were not read
}

func (e *noChangeError) Error() string {
	if len(e.skipped) == 0 {
		return "no change in it"
	}
	return fmt.Sprintf("no change in its text; what else it has is not read: %s", strings.Join(e.skipped, ", "))
}

func isEmpty(err error) bool {
	var none *noChangeError
	return errors.As(err, &none)
}

// nothing is the error of messages of which none has a change: the first error that is
// more than that, if there is one.
func nothing(all []found) error {
	var first error
	for _, f := range all {
		if f.err != nil && !isEmpty(f.err) {
			return f.err
		}
		if first == nil {
			first = f.err
		}
	}
	if first == nil {
		return &noChangeError{}
	}
	return first
}

// changes reads the diffs in a text; nil if there is none.
func changes(text []byte) ([]*gitdiff.File, error) {
	files, _, err := gitdiff.Parse(bytes.NewReader(text))
	if err == nil && len(files) > 0 && !hiddenHunk.Match(text) {
		return files, nil
	}
	return nil, damage(text, err)
}

// withoutMark takes the byte order mark of an editor off.
func withoutMark(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// packings are the beginnings of files that are no text.
var packings = []struct {
	at          int
	magic, text string
}{
	{0, "\xff\xfe", "it is UTF-16 text; write it as UTF-8"},
	{0, "\xfe\xff", "it is UTF-16 text; write it as UTF-8"},
	{0, "\xfd7zXZ\x00", "it is compressed with xz; unpack it first"},
	{0, "\x28\xb5\x2f\xfd", "it is compressed with zstd; unpack it first"},
	{0, "\x04\x22\x4d\x18", "it is compressed with lz4; unpack it first"},
	{0, "BZh", "it is compressed with bzip2; unpack it first"},
	{0, "PK\x03\x04", "it is a zip archive; unpack it first"},
	{257, "ustar", "it is a tar archive; unpack it and give the directory"},
}

// packing names the format of a file that is no text. It is empty if the file may be text.
func packing(data []byte) string {
	for _, p := range packings {
		if len(data) > p.at && bytes.HasPrefix(data[p.at:], []byte(p.magic)) {
			return p.text
		}
	}
	if bytes.IndexByte(data, '\n') < 0 && bytes.Count(data, []byte("\r")) > 2 {
		return "its lines end with a carriage return only; write them with line feeds"
	}
	return ""
}
