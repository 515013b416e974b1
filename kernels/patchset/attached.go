package patchset

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/emersion/go-message"
)

// An attachment is a file of a mail that is a patch by its name, whatever type the mail
// program gave it: security advisories have application/octet-stream.
type attachment struct {
	name string
	data []byte
}

// fileName is the name that a part has as a file; empty: none.
func fileName(e *message.Entity, params map[string]string) string {
	if _, p, err := e.Header.ContentDisposition(); err == nil && p["filename"] != "" {
		return path.Base(strings.ReplaceAll(p["filename"], "\\", "/"))
	}
	return path.Base(params["name"])
}

func isPatchFile(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".patch", ".diff":
		return true
	}
	return false
}

// numberedFile is a file as git format-patch names it.
var numberedFile = regexp.MustCompile(`^\d{4}-`)

// pick gives the attached files of a mail that are its patches. Files that git
// format-patch numbered are a series. Of others, each is for another source, as in a
// security advisory, and the user chooses one.
func (rd Reader) pick(all []attachment) ([]attachment, error) {
	if rd.Attachment != "" {
		for _, a := range all {
			if a.name == rd.Attachment {
				return []attachment{a}, nil
			}
		}
		return nil, fmt.Errorf("the mail has no attachment %s; it has %s", rd.Attachment, attachmentNames(all))
	}
	if len(all) < 2 {
		return all, nil
	}
	for _, a := range all {
		if !numberedFile.MatchString(a.name) {
			return nil, fmt.Errorf("the mail has %d patches, of which one is for your source: %s; choose one with --attachment", len(all), attachmentNames(all))
		}
	}
	return all, nil
}

func attachmentNames(all []attachment) string {
	var names []string
	for _, a := range all {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}

// attachments reads the patches that are attached to a mail. In a thread, a mail
// without a diff in its text may be a reply, whose attachments are no part of the series.
func (rd Reader) attachments(name string, m mail, data []byte) (all []found, err error) {
	list, err := rd.pick(m.attached)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		inner, err := parseMail(a.data)
		if err != nil {
			return nil, err
		}
		f := found{mail: inner, patch: Patch{Name: name + ":" + a.name, Data: data, mail: inner}}
		if len(m.attached) > 1 {
			f.patch.Data = a.data // the mail is not a patch of its own
		}
		if f.patch.files, err = changes(inner.text); err != nil {
			return nil, fmt.Errorf("attachment %s: %w", a.name, err)
		}
		if f.patch.Subject = inner.subject; f.patch.Subject == "" {
			f.patch.Subject = m.subject
		}
		if f.changes() {
			all = append(all, f)
		}
	}
	return all, nil
}
