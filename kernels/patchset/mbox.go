package patchset

import (
	"bytes"
	"regexp"
)

// A chunk is one message of a mailbox, as it stands in the file.
type chunk struct {
	start, end int
	raw        bool // ">From " stands for itself: the writer quotes nothing
	unknown    int  // number of a "From " line that may start a message; 0: there is none
}

// fieldLine starts a mail header: the name of a field (RFC 5322).
var fieldLine = regexp.MustCompile(`^[!-9;-~]+:`)

// splitMailbox finds the messages of a mailbox. Together they are all of data.
//
// A line "From SENDER DATE" starts a message if a header field follows and if it
// does not stand inside a paragraph of a commit message, which may quote such a
// line: a blank line or a diff must come before it.
func splitMailbox(data []byte) []chunk {
	chunks := []chunk{{}}
	blank, diff := true, false
	number := 0
	for at := 0; at < len(data); {
		line, next := lineAt(data, at)
		number++
		if (blank || diff) && isFromLine(line) {
			if after, _ := lineAt(data, next); fieldLine.Match(after) {
				c := chunk{start: at, raw: isUnquoted(line)}
				if at == 0 {
					chunks[0] = c
				} else {
					chunks[len(chunks)-1].end = at
					chunks = append(chunks, c)
				}
				diff = false
			}
		} else if c := &chunks[len(chunks)-1]; (blank || diff) && c.unknown == 0 && bytes.HasPrefix(line, []byte("From ")) && isHeader(data[next:]) {
			c.unknown = number
		}
		blank = len(bytes.TrimRight(line, "\r\n")) == 0
		diff = diff || bytes.HasPrefix(line, []byte("@@ -")) || bytes.HasPrefix(line, []byte("diff --git "))
		at = next
	}
	chunks[len(chunks)-1].end = len(data)
	return chunks
}

// usualField is one that each mail has.
var usualField = regexp.MustCompile(`(?i)^(from|subject|date|message-id):`)

// isHeader reports whether text begins with the header of a mail.
func isHeader(text []byte) bool {
	usual := 0
	for range 100 {
		line, next := lineAt(text, 0)
		if usualField.Match(line) {
			usual++
		}
		if next == len(text) || !fieldLine.Match(line) && !bytes.HasPrefix(line, []byte(" ")) && !bytes.HasPrefix(line, []byte("\t")) {
			break
		}
		text = text[next:]
	}
	return usual > 1
}

// lineAt gives the line at an offset, with its end, and the offset of the next.
func lineAt(data []byte, at int) ([]byte, int) {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return data[at : at+i+1], at + i + 1
	}
	return data[at:], len(data)
}

// fromDate is a "From " line as git's mailsplit recognizes it: it ends with a
// time and a year. A time zone may stand before or after the year. Some programs leave
// the seconds out, write the year first, write ISO 8601, or append the host.
var fromDate = regexp.MustCompile(`^From \S.*(?:` +
	`\d\d:\d\d(?::\d\d)? (?:\S+ )?\d{4}(?: \S+)?|` +
	`\d{4} \d\d:\d\d(?::\d\d)?(?: \S+)?|` +
	`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?\S*(?: \S+)?)(?: remote from \S+)?\s*$`)

func isFromLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) && fromDate.Match(line)
}

// unquoted are the senders that git format-patch and b4 write: they copy
// bodies as they are. All others write mboxrd, as public inboxes do.
var unquoted = regexp.MustCompile(`^From (?:[0-9a-f]{40}(?:[0-9a-f]{24})?|git@z) `)

func isUnquoted(line []byte) bool { return unquoted.Match(line) }

var quotedFrom = regexp.MustCompile(`(?m)^>(>*From )`)

// message gives a message of a mailbox without its "From " line, and with the
// quoting of mboxrd undone.
func (c chunk) message(data []byte) []byte {
	text := data[c.start:c.end]
	line, next := lineAt(text, 0)
	if !isFromLine(line) {
		return text
	}
	text = text[next:]
	if c.raw {
		return text
	}
	return quotedFrom.ReplaceAll(text, []byte("$1"))
}
