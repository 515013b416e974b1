package patchset

import (
	"bytes"
	"regexp"
	"slices"
)

// A Hint tells for which source a series is, by its mails.
type Hint struct {
	Source   string   // text form of the source; empty: not known; only commits of a repository have it
	Commit   string   // base-commit of git format-patch --base; empty: none is named
	Versions []string // in the tag of a subject, as [PATCH 6.12.y 1/3] has it, without the y
	Told     []string // in a cover letter, or below the --- of a patch: "based on v6.1-rc4"
}

var (
	baseCommit = regexp.MustCompile(`(?m)^base-commit: ([0-9a-f]{12,64})\s*$`)
	// A version in a tag: 6.12, 6.12.y, 6.12.85, and both ends of 6.16-5.10, as AUTOSEL
	// writes it.
	tagBase = regexp.MustCompile(`(?:^|[\s-])(?:linux-)?([3-9]\.\d{1,3})(?:\.(?:y|\d{1,4}))?(?:-rc\d+)?(?:$|[\s-])`)
	// What a text is based on, in a line or over the end of one.
	toldBase = regexp.MustCompile(`(?i)\b(?:(?:re)?based (?:up)?on|on top of|appl(?:y|ies) (?:cleanly )?(?:up)?on|appl(?:y|ies) (?:cleanly )?to|against)\s[^.\n]{0,40}?\n?[^.\n]{0,40}?\bv?([3-9]\.\d{1,3})(?:\.(?:y|\d{1,4}))?(?:-rc\d+)?\b`)
)

// hintOf collects the hints of the mails of a series: of its patches, and of the cover
// letter of their version. A base-commit in a cover letter counts more than one in a
// patch.
func hintOf(all []found, patches []Patch) (h Hint) {
	version := 0
	for _, f := range all {
		if slices.ContainsFunc(patches, func(p Patch) bool { return p.Name == f.patch.Name }) {
			version = max(version, f.version)
		}
	}
	for _, f := range all {
		if f.reply || f.version != version {
			continue
		}
		if m := baseCommit.FindSubmatch(f.text); m != nil && (h.Commit == "" || f.number == 0) {
			h.Commit = string(m[1])
		}
		for _, m := range toldBase.FindAllSubmatch(besideCommit(f), -1) {
			if v := string(m[1]); !slices.Contains(h.Told, v) {
				h.Told = append(h.Told, v)
			}
		}
		for _, tag := range f.tags {
			for rest := tag; ; {
				m := tagBase.FindStringSubmatchIndex(rest)
				if m == nil {
					break
				}
				if v := rest[m[2]:m[3]]; !slices.Contains(h.Versions, v) {
					h.Versions = append(h.Versions, v)
				}
				rest = rest[m[3]:] // the blank after one version may stand before the next
			}
		}
	}
	return h
}

// besideCommit is what a mail has beside its commit's message and change: all of a cover
// letter, and what is between --- and the change of a patch.
func besideCommit(f found) []byte {
	if f.number == 0 && !f.changes() {
		return f.text
	}
	_, rest, ok := bytes.Cut(f.text, []byte("\n---\n"))
	if !ok {
		return nil
	}
	if at := bytes.Index(rest, []byte("\ndiff --git ")); at >= 0 {
		return rest[:at]
	}
	return nil
}
