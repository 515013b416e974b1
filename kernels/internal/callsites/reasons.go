package callsites

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
)

// ReasonFiles are the files of the source that define the reasons: the enum, and
// then those that may have the texts (they moved in v5.6).
var ReasonFiles = []string{"include/linux/security.h", "security/security.c", "security/lockdown/lockdown.c"}

var (
	enumBody   = regexp.MustCompile(`(?s)\benum\s+lockdown_reason\s*\{(.*?)\}`)
	textsBody  = regexp.MustCompile(`(?s)\blockdown_reasons\s*\[[^\]]*\]\s*=\s*\{(.*?)\n\}`)
	enumerator = regexp.MustCompile(`^[A-Z0-9_]+$`)
	textEntry  = regexp.MustCompile(`\[\s*(\w+)\s*\]\s*=\s*((?:"(?:[^"\\]|\\.)*"\s*)+)`)
	textPart   = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	cComment   = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	enumMarker = map[string]lockdown.Level{"LOCKDOWN_INTEGRITY_MAX": lockdown.Integrity, "LOCKDOWN_CONFIDENTIALITY_MAX": lockdown.Confidentiality}
)

// Reasons reads enum lockdown_reason and lockdown_reasons[] out of the files that
// ReasonFiles names, in their order. A reason without a text has an empty one. It is
// nil if there is no such enum, because the kernel has no lockdown.
//
// The enum is in the order of levels: what is before the marker of a level is locked
// by that level (include/linux/security.h, v6.12).
func Reasons(files [][]byte) (lockdown.KernelReasons, error) {
	texts := map[string]string{}
	var body []byte
	for _, text := range files {
		text = cComment.ReplaceAll(text, nil)
		if m := enumBody.FindSubmatch(text); m != nil && body == nil {
			body = m[1]
		}
		if m := textsBody.FindSubmatch(text); m != nil {
			for _, e := range textEntry.FindAllSubmatch(m[1], -1) {
				var whole strings.Builder
				for _, part := range textPart.FindAllSubmatch(e[2], -1) {
					whole.Write(part[1])
				}
				texts[string(e[1])] = whole.String()
			}
		}
	}
	if body == nil {
		return nil, nil
	}
	var list lockdown.KernelReasons
	level := lockdown.Integrity
	for _, word := range bytes.Split(body, []byte(",")) {
		name := string(bytes.TrimSpace(word))
		if marker, ok := enumMarker[name]; ok {
			if marker == lockdown.Confidentiality {
				return list, nil
			}
			level = lockdown.Confidentiality
			continue
		}
		if name == "LOCKDOWN_NONE" {
			continue
		}
		r, ok := lockdown.ParseReason(name)
		if !ok || !enumerator.MatchString(name) {
			return nil, fmt.Errorf("read enum lockdown_reason: %q is not an enumerator alone", name)
		}
		list = append(list, lockdown.ReasonInfo{Reason: r, Level: level, Label: texts[name]})
	}
	return nil, fmt.Errorf("read enum lockdown_reason: it does not end with LOCKDOWN_CONFIDENTIALITY_MAX")
}
