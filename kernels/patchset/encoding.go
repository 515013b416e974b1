package patchset

import (
	"bytes"
	"path"
	"regexp"
)

// skip remembers a part of a mail that is not read.
func (m *mail) skip(kind, name string) {
	const most = 5
	switch {
	case kind == "application/pgp-signature" || kind == "application/pkcs7-signature" || len(m.skipped) == most:
		return
	case kind == "text/html":
		kind = "HTML"
	case kind == "message/rfc822":
		kind = "a mail that is attached"
	case name != "" && name != ".":
		kind = "the file " + path.Base(name)
	}
	m.skipped = append(m.skipped, kind)
}

// unflow undoes format=flowed (RFC 3676): a line that ends with a blank goes on in the
// next one, and a line that begins with a blank has one too many. Programs that name the
// format do not always write it, so that what makes a good diff is taken.
func unflow(text []byte, delsp bool) []byte {
	if !bytes.Contains(text, []byte("@@ -")) {
		return text
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	for _, join := range []bool{true, false} {
		if plain := unstuff(text, join, delsp); good(plain) {
			return plain
		}
	}
	return text
}

func good(text []byte) bool {
	files, err := changes(text)
	return err == nil && files != nil
}

// unstuff takes the blank off each line that begins with one, and joins lines.
func unstuff(text []byte, join, delsp bool) (plain []byte) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimPrefix(line, []byte(" "))
		if body := bytes.TrimSuffix(line, []byte("\n")); join && bytes.HasSuffix(body, []byte(" ")) && !bytes.Equal(body, []byte("-- ")) {
			if delsp {
				body = body[:len(body)-1]
			}
			line = body
		}
		plain = append(plain, line...)
	}
	return plain
}

var (
	base64Field = regexp.MustCompile(`(?im)^content-transfer-encoding:[ \t]*base64\s*$`)
	base64Line  = regexp.MustCompile(`^[A-Za-z0-9+/]*={0,2}\s*$`)
	base64Long  = regexp.MustCompile(`(?m)^[A-Za-z0-9+/]{20,}`)
)

// withoutFooter gives a message in base64 without the plain text that a list appends to
// it; nil: there is none, or base64 goes on behind it.
func withoutFooter(data []byte) []byte {
	head, next := 0, 0
	for at := 0; at < len(data); at = next {
		var line []byte
		if line, next = lineAt(data, at); head == 0 {
			if len(bytes.TrimRight(line, "\r\n")) == 0 {
				head = next
			}
			continue
		}
		if !base64Line.Match(line) {
			if !base64Field.Match(data[:head]) || base64Long.Match(data[at:]) {
				return nil
			}
			return data[:at]
		}
	}
	return nil
}

const (
	armorHead = "-----BEGIN PGP SIGNED MESSAGE-----"
	armorEnd  = "-----BEGIN PGP SIGNATURE-----"
)

// withoutArmor undoes the escapes of a clear-signed text (RFC 4880, 7.1): each line that
// begins with a dash has a dash and a blank in front. A text that is not escaped so stays
// as it is.
func withoutArmor(text []byte) []byte {
	if !bytes.Contains(text, []byte(armorHead)) || !bytes.Contains(text, []byte(armorEnd)) {
		return text
	}
	var plain []byte
	inside := false
	for line := range bytes.Lines(text) {
		switch mark := string(bytes.TrimRight(line, " \r\n")); {
		case mark == armorHead:
			inside = true
		case inside && mark == armorEnd:
			return plain
		case inside && bytes.HasPrefix(line, []byte("- ")):
			line = line[2:]
		case inside && bytes.HasPrefix(line, []byte("-")):
			return text
		}
		plain = append(plain, line...)
	}
	return text
}
