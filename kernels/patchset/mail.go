package patchset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/emersion/go-message"
)

// A mail is a message, decoded. A patch file that is no mail has a text only.
type mail struct {
	subject string // decoded
	id      string // Message-ID
	from    string // as it stands in the header
	reply   bool   // the subject starts with Re: or the like
	answers bool   // it answers another message, and the subject has no tag
	text    []byte // of all text parts, in order

	tagged  bool // the subject has a tag such as [PATCH v2 3/7]
	version int  // 1 if the tag names none
	minor   int  // 1 of [PATCH v2.1 3/7]: one patch of the series, anew
	resent  bool // the tag has RESEND
	fixup   bool // the tag marks a patch on top of another: [PATCH 3/7 fixup]
	number  int  // 3 of [PATCH 3/7]; -1 if the tag has no number
	total   int  // 7 of [PATCH 3/7]; a number above it is a patch on top of the series
	title   string
	tags    []string // the text in the brackets in front of the title
	refs    []string // Message-IDs of the mails that it answers

	attached []attachment // files that are patches by their name
	skipped  []string     // other parts that were not read
	flowed   bool         // the text was format=flowed, and that is undone
}

// parseMail decodes a message. What is no mail is taken as it stands.
// If there is an error, the header is read as far as it could be.
func parseMail(data []byte) (mail, error) {
	data = withoutMark(data)
	m := mail{text: withoutArmor(data), number: -1, version: 1}
	first, _ := lineAt(data, 0)
	if !fieldLine.Match(first) {
		return m, nil
	}
	e, err := message.Read(bytes.NewReader(data))
	if e == nil || !isMail(&e.Header) {
		return m, nil // a patch with a line that looks like a header field
	}
	m.readHeader(e)
	if err != nil && !message.IsUnknownCharset(err) { // text stays in its charset, as in git
		return m, err
	}
	m.text, err = m.textOf(e, 0)
	if cut := withoutFooter(data); err != nil && cut != nil {
		if e, err = message.Read(bytes.NewReader(cut)); err == nil || message.IsUnknownCharset(err) {
			m.text, err = m.textOf(e, 0)
		}
	}
	if err != nil {
		return m, err
	}
	encoded := e.Header.Get("Content-Transfer-Encoding") != "" || strings.HasPrefix(e.Header.Get("Content-Type"), "multipart/")
	if encoded || bytes.HasSuffix(first, []byte("\r\n")) {
		m.text = bytes.ReplaceAll(m.text, []byte("\r\n"), []byte("\n"))
	}
	m.text = withoutArmor(withoutMark(m.text))
	return m, nil
}

var messageID = regexp.MustCompile(`<[^<>\s]+>`)

// readHeader reads what a header tells of a patch.
func (m *mail) readHeader(e *message.Entity) {
	m.subject, _ = e.Header.Text("Subject") // as far as it can be decoded
	m.subject = strings.Join(strings.Fields(m.subject), " ")
	m.from, _ = e.Header.Text("From")
	m.id = strings.TrimSpace(e.Header.Get("Message-Id"))
	m.readSubject()
	m.reply = replySubject.MatchString(m.subject)
	m.answers = !m.tagged && e.Header.Has("In-Reply-To")
	m.refs = messageID.FindAllString(e.Header.Get("References")+" "+e.Header.Get("In-Reply-To"), 100)
}

// isMail reports whether a header is that of a mail. A patch file may happen to
// start with something like a field.
func isMail(h *message.Header) bool {
	return h.Has("Subject") || h.Has("From") || h.Has("Date")
}

// maxDepth is how deep parts may lie in parts.
const maxDepth = 8

// textOf returns the text of a message: all its parts that are text, but for files that
// are patches by their name, which go to m.attached.
func (m *mail) textOf(e *message.Entity, depth int) ([]byte, error) {
	parts := e.MultipartReader()
	if parts == nil {
		kind, params, _ := e.Header.ContentType()
		if name := fileName(e, params); depth > 0 && isPatchFile(name) {
			data, err := io.ReadAll(e.Body)
			m.attached = append(m.attached, attachment{name, bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))})
			return nil, err
		}
		if depth > 0 && !strings.HasPrefix(kind, "text/") || kind == "text/html" {
			m.skip(kind, fileName(e, params))
			return nil, nil
		}
		text, err := io.ReadAll(e.Body)
		if err == nil && strings.EqualFold(params["format"], "flowed") {
			if plain := unflow(text, strings.EqualFold(params["delsp"], "yes")); !bytes.Equal(plain, text) {
				text, m.flowed = plain, true
			}
		}
		return text, err
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("parts lie %d deep in parts", maxDepth)
	}
	var all []byte
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil && !message.IsUnknownCharset(err) {
			return nil, err
		}
		text, err := m.textOf(part, depth+1)
		if err != nil {
			return nil, err
		}
		if len(all) > 0 && all[len(all)-1] != '\n' {
			all = append(all, '\n')
		}
		all = append(all, text...)
	}
}

var (
	replySubject = regexp.MustCompile(`(?i)^(re|aw|fwd?|sv|antw)(\[\d+\]|\(\d+\))?:`)
	subjectTag   = regexp.MustCompile(`^\s*\[([^\]]*)\]`)
	tagNumber    = regexp.MustCompile(`(?:^|[^\w.])(\d{1,4})/(\d{1,4})(?:$|[^\w.])`)
	tagVersion   = regexp.MustCompile(`(?i)(?:^|[^a-z0-9]|patch)v(\d{1,4})(?:\.(\d))?(?:$|[^\w.])`)
	tagResent    = regexp.MustCompile(`(?i)\bre-?sen[dt]\b`)
	tagFixup     = regexp.MustCompile(`(?i)\b(?:fix(?:-?up)?|incremental|follow-?up|add-?on)\b`)
	tagPatch     = regexp.MustCompile(`(?i)(?:^|[^a-z0-9])patch`)
)

// readSubject reads the tags in front of a subject.
func (m *mail) readSubject() {
	rest := m.subject
	for {
		t := subjectTag.FindStringSubmatch(rest)
		if t == nil {
			m.title = strings.TrimSpace(rest)
			return
		}
		rest = rest[len(t[0]):]
		m.tags = append(m.tags, t[1])
		m.tagged = m.tagged || tagPatch.MatchString(t[1])
		if n := tagNumber.FindStringSubmatch(t[1]); n != nil {
			number, _ := strconv.Atoi(n[1])
			total, _ := strconv.Atoi(n[2])
			if number <= total || m.tagged && total > 0 && number < total+10 { // [PATCH 4/3] goes on top of three
				m.number, m.total, m.tagged = number, total, true
			}
		}
		if v := tagVersion.FindStringSubmatch(t[1]); v != nil {
			m.version, _ = strconv.Atoi(v[1])
			m.minor, _ = strconv.Atoi(v[2])
		}
		m.resent = m.resent || tagResent.MatchString(t[1])
		m.fixup = m.fixup || tagFixup.MatchString(t[1])
	}
}
