package explain

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ldlab/ldlab/lockdown"
	"github.com/ldlab/ldlab/scenarios"
)

// An input is what the user's words name.
type input struct {
	errnos  []string
	paths   []string
	calls   []string
	names   []string // see aliases
	reasons []lockdown.Reason
	mode    int // of a file; below 0: not given
	writes  bool
	flags   bool // flags of open(2) were given
	owner   bool // mode or owner of the file is changed
}

func (in input) empty() bool {
	return len(in.errnos)+len(in.paths)+len(in.calls)+len(in.names)+len(in.reasons) == 0
}

var (
	pathWord = regexp.MustCompile(`(^|[^\w/.])(/[^\s"',;()]+)`) // not the end of I/O
	modeWord = regexp.MustCompile(`^0[0-7]{3,4}$`)
	callWord = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// parse finds what the words name. What it does not know it passes over: a user may
// paste a whole message of a program.
func parse(text string) input {
	in := input{mode: -1}
	text, errno := cutErrno(text)
	for _, m := range pathWord.FindAllStringSubmatch(text, -1) {
		p := strings.TrimRight(m[2], ".:")
		if len(p) > 1 && !slices.Contains(in.paths, p) {
			name := ""
			if strings.HasPrefix(p, "/proc/sys/") {
				name = path.Base(p)
			}
			if _, known := aliasWays(name); !known {
				in.paths = append(in.paths, p)
			} else if !slices.Contains(in.names, name) {
				in.names = append(in.names, name)
			}
		}
	}
	rest := pathWord.ReplaceAllString(text, "$1 ")
	for _, info := range lockdown.Reasons() { // the kernel's text of a denial
		if strings.Contains(lower(rest), lower(info.Label)) {
			in.reasons = append(in.reasons, info.Reason)
		}
	}
	for _, word := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(" \t\n\"'(),;:=|.#/", r) }) {
		if e := strings.TrimPrefix(word, "-"); errnos[e] != "" {
			word = e // as the kernel logs it
		}
		in.owner = in.owner || changesOwner(word)
		_, known := aliasWays(word)
		switch {
		case errnos[word] != "":
			if !slices.Contains(in.errnos, word) {
				in.errnos = append(in.errnos, word)
			}
		case modeWord.MatchString(word):
			mode, _ := strconv.ParseUint(word, 8, 32) // matched
			in.mode = int(mode)
		case word == "O_WRONLY" || word == "O_RDWR":
			in.writes, in.flags = true, true
		case word == "O_RDONLY":
			in.flags = true
		case isReason(word) && slices.Contains(in.reasons, lockdown.Reason(word)):
		case isReason(word):
			in.reasons = append(in.reasons, lockdown.Reason(word))
		case callWord.MatchString(word) && len(callWays(word)) > 0 && !slices.Contains(in.calls, word):
			in.calls = append(in.calls, word)
		case known && !slices.Contains(in.names, word):
			in.names = append(in.names, word)
		}
	}
	if len(in.errnos) == 0 && errno != "" {
		in.errnos = append(in.errnos, errno)
	}
	return in
}

// changesOwner reports whether a tool or a call changes the mode or the owner of a file.
func changesOwner(word string) bool {
	return slices.Contains([]string{"chmod", "chown", "chgrp", "fchmod", "fchmodat", "fchown", "fchownat", "lchown"}, word)
}

// cutErrno takes the text of an errno, as programs print it, out of the words, because
// it may look like a path: input/output error.
func cutErrno(text string) (rest, errno string) {
	for _, t := range shellTexts {
		if at := strings.Index(lower(text), t.text); at >= 0 {
			return text[:at] + " " + text[at+len(t.text):], t.errno
		}
	}
	return text, ""
}

// lower is the text with the letters of ASCII in lower case; it has the same length.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// isReason reports whether a word is the name of a reason. A few are also words of
// system calls or tools; then it is the reason.
func isReason(word string) bool {
	_, ok := lockdown.Info(lockdown.Reason(word))
	return ok
}

// shellTexts are the texts of errno that programs print (strerror(3)), the longest
// first, because one may be a part of another.
var shellTexts = []struct{ text, errno string }{
	{"inappropriate ioctl for device", "ENOTTY"},
	{"required key has been revoked", "EKEYREVOKED"},
	{"key was rejected by service", "EKEYREJECTED"},
	{"required key not available", "ENOKEY"},
	{"no such device or address", "ENXIO"},
	{"no such file or directory", "ENOENT"},
	{"function not implemented", "ENOSYS"},
	{"device or resource busy", "EBUSY"},
	{"operation not permitted", "EPERM"},
	{"operation not supported", "EOPNOTSUPP"},
	{"package not installed", "ENOPKG"},
	{"read-only file system", "EROFS"},
	{"input/output error", "EIO"},
	{"exec format error", "ENOEXEC"},
	{"permission denied", "EACCES"},
	{"invalid argument", "EINVAL"},
	{"key has expired", "EKEYEXPIRED"},
	{"no such device", "ENODEV"},
	{"text file busy", "ETXTBSY"},
	{"bad message", "EBADMSG"},
}

// callWays are the ways through a system call: the rows whose act begins with it.
// Calls on a file are explained by the file.
func callWays(call string) (ways []way) {
	if slices.Contains([]string{"open", "read", "write", "pread", "pwrite", "ioctl", "mmap", "getdents", "stat", "lstat", "boot"}, call) || !callWord.MatchString(call) {
		return nil
	}
	for _, row := range scenarios.Rows() {
		name, _, ok := strings.Cut(strings.TrimPrefix(row.Call, "32-bit "), "(")
		if !ok || name != call || row.Expect != scenarios.Checked {
			continue
		}
		if w := (way{reason: row.Reason, is: call, note: callNotes[call]}); !slices.Contains(ways, w) {
			ways = append(ways, w)
		}
	}
	return ways
}

// about reports whether a row's act is a way's.
func (w way) about(row scenarios.Row) bool {
	if strings.HasPrefix(w.is, "/") || strings.HasPrefix(w.is, "...") {
		return strings.Contains(row.Call, w.is)
	}
	return strings.HasPrefix(strings.TrimPrefix(row.Call, "32-bit "), w.is+"(")
}
